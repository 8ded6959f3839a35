"""Detectors: from a model's outputs to boxes, and how far a frame's boxes can be trusted."""
