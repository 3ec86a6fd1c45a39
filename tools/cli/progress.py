"""How far long work is: a bar on standard error, where somebody looks, that is gone when the work is done."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from offline_store.verify import Told, unheard


@contextmanager
def bar(doing: str) -> Iterator[Told]:
    """Draw ``doing`` and a bar; into a pipe or a file, nothing."""
    if not sys.stderr.isatty():
        yield unheard
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as drawn:
        work = drawn.add_task(doing, total=None)
        yield lambda done, total: drawn.update(work, completed=done, total=total)
