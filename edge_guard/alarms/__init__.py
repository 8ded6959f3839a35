"""The life of an alarm after ISA-18.2: pure state machines, no clock, no I/O, no threads."""
