"""What a process that holds keys does first: it leaves no core dump, and no other process of its user looks into it."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource

from agent.private_files import KeyStoreError

_PR_SET_DUMPABLE = 4  # <sys/prctl.h>, prctl(2)


def keep_secrets_in() -> None:
    """No core dump, neither a file nor through a pipe, and no ptrace(2) but root's. Executed children are not covered.

    Raises :class:`KeyStoreError` where the kernel refuses.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        why = os.strerror(ctypes.get_errno())
        raise KeyStoreError(f"无法禁止内存转储：{why}", f"core dumps cannot be forbidden: {why}")
    # For children as well, where the service's sandbox lets it: its unit says LimitCORE=0 by itself.
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
