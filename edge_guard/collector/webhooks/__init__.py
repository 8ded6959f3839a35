"""Tells other programs over HTTP what happens: alarms, devices that fall silent, rollouts."""
