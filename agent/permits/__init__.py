"""Technicians' permits: who may do what to a terminal."""
