"""Tests of agent.sync."""
