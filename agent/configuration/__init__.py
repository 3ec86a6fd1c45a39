"""The configuration that the platform gives a terminal: on trial first, and back to the last good one by itself."""
