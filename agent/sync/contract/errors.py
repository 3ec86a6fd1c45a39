"""The one fault of the contract."""

from __future__ import annotations


class ContractError(ValueError):
    """A topic or a payload is not of the contract; the text says why and quotes none of its content."""
