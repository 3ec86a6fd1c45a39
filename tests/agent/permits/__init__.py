"""Technicians' permits."""
