"""Scores of one frame from the model's outputs; one method a file."""
