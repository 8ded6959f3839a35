"""Change over time: summaries that merge, monitors."""
