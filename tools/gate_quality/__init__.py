"""Measures what the gate says of degraded images: caught or not, and for which reason."""
