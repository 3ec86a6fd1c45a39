"""Ready-made card files. Every person and number in them is invented."""
