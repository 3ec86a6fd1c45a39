"""A person as commands take and show one: `NAMESPACE:ID`, the id 32 hex digits."""

from __future__ import annotations

import re

import click

from tools.cli.words import say
from tools.platform.ledger import Owner

_OWNER = re.compile(r"([a-z0-9][a-z0-9-]{0,63}):([0-9a-f]{32})")


class OwnerType(click.ParamType[Owner]):
    """Reads what :func:`shown` writes."""

    name = "owner"

    def convert(self, value: str | Owner, param: click.Parameter | None, ctx: click.Context | None) -> Owner:
        """Read it, or say what is wrong with it."""
        if not isinstance(value, str):
            return value
        found = owner_of(value)
        if found is None:
            said = ("应为命名空间、冒号和 32 位十六进制数字", "should be NAMESPACE:ID, the id 32 hex digits")
            self.fail(say(*said), param, ctx)
        return found


def owner_of(text: str) -> Owner | None:
    """What :func:`shown` wrote; ``None`` if it did not."""
    found = _OWNER.fullmatch(text)
    return None if found is None else (found[1], bytes.fromhex(found[2]))


def shown(owner: Owner) -> str:
    """`city:00…`."""
    return f"{owner[0]}:{owner[1].hex()}"
