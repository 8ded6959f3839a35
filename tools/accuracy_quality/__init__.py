"""Estimated against true accuracy on real images; intervals of audits against many draws."""
