"""Rules that profiles share, each usable alone."""
