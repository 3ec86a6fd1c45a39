"""From a bare box to a terminal of the platform: the code, the exchange, and what is installed."""
