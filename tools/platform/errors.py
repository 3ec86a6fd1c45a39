"""What the platform cannot do, as a sentence for its operator."""

from __future__ import annotations


class PlatformError(Exception):
    """The platform cannot go on; the text says in the operator's language why, and what to do."""
