"""The "Promises kept" table: thresholds and certificates against simulated and real redraws."""
