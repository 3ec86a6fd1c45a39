"""The script of each scene's day, played by tests and by ``onecard day play``."""
