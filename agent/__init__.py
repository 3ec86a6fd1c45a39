"""The terminal at work."""
