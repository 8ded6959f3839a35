"""The queue of frames that wait for a human look: its order, who holds what, and agreement."""
