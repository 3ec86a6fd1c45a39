"""Tests of what plays days."""
