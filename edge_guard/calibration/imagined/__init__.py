"""Faults imagined: changes of a reference picture, by what they change.

Each takes (reference, another reference of the same shape, rng) and returns a changed picture.
"""
