"""The demo: broker, collector and device on this machine, playing the shipped footage."""
