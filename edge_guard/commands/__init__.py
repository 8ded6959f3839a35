"""What the control room asks of a device: read strictly, done once, answered through the spool."""
