"""What a process that holds keys does first: it leaves no core dump, and no other process of its user looks into it."""

from __future__ import annotations

import ctypes
import os
import resource

from agent.private_files import KeyStoreError

_PR_SET_DUMPABLE = 4  # <sys/prctl.h>, prctl(2)


def keep_secrets_in() -> None:
    """No core file, also none by a pipe, and no ptrace(2) but root's. Children that are executed are not covered.

    Raises :class:`KeyStoreError` where the kernel refuses.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        why = os.strerror(ctypes.get_errno())
        raise KeyStoreError(f"无法禁止内存转储：{why}", f"core dumps cannot be forbidden: {why}")
