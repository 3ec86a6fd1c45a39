"""Kinds of text that card files share."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

Hex = Annotated[str, Field(pattern=r"^([0-9A-Fa-f]{2})*$")]
"""Whole bytes in hexadecimal."""
Digits = Annotated[str, Field(pattern=r"^[0-9]*$")]
"""Decimal digits; in YAML between quotes, for a number loses its leading zeros."""
