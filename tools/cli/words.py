"""Sentences for people at the command line: the terminal's own `say`, under the name that the commands use."""

from agent.words import language, say, tell, why_en, why_zh

__all__ = ["language", "say", "tell", "why_en", "why_zh"]
