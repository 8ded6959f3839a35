"""The page and the JSON interface: the only part of edge-guard that imports NiceGUI."""
