"""A plant of a thousand devices in one process, to load real collectors with."""
