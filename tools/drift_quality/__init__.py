"""The drift rows of "Promises kept": simulated streams, real ones, and peers beside."""
