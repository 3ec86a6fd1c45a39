"""The reference central platform: its keys, its broker, its ingest and its records."""
