"""Tests of agent.sip2."""
