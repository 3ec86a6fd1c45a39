"""Whole configurations, one a scene, that run as they stand on virtual devices."""
