"""Parity of the engines: the same decisions in each, what differs and why; and decisions from a file."""
