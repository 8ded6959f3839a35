"""The Speed table: edge-guard beside its peers and the machine's limits, in one run."""
