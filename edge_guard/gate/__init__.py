"""The input gate: is this image fit to be inspected at all?"""
