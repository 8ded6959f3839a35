"""A device under real cameras with faults, for as long as you like: memory, files, threads."""
