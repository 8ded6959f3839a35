"""Sparkplug B (version 3.0 of the specification): the device as an edge node for SCADA hosts."""
