"""The library's own system, spoken to over SIP2 (3M Standard Interchange Protocol 2.00)."""
