"""A line that a test closed is gone before its event loop is: asyncio ends a transport in the loop's next turns."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

TURNS = 10


@pytest.fixture(autouse=True)
async def closed_lines() -> AsyncIterator[None]:
    yield
    for _ in range(TURNS):
        await asyncio.sleep(0)
