"""The reference platform on its real parts: mosquitto, TLS and SQLite."""
