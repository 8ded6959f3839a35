"""The "Guard quality" table: the automatic guard beside single detectors, on real models."""
