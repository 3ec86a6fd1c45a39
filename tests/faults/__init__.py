"""Broken on purpose: seeded, a short form in every run of the tests, a long one by ``make faults``.

What must hold after every run stands in :mod:`tests.faults.invariants`; that no process's memory grows meanwhile, and
that nothing hangs, in :mod:`tests.faults.site`. How others of this kind fail, and which tests
show that this one does not; those without a folder stand here:

=============================================== ==========================================================
failure of a peer                               shown not to happen by
=============================================== ==========================================================
an event waits in memory only, a kill loses it  ``test_kill_agent``, ``test_commit_points``, ``test_kill_all``
writes are dropped when the buffer is full      ``test_disk``, ``test_beyond_reserve``
the database is made anew on a reconnection     ``test_line`` (breaks again and again), ``test_kill_all``
the broker keeps 1,000 of 3,000, or none        ``test_peers`` (a broker that forgets), ``tools/platform/test_service``
the oldest are dropped from a spool in memory   ``test_peers`` (a broker that forgets)
a corrupt database is deleted                   ``test_corruption``, ``offline_store/test_rescue``
a backlog holds up what is live                 ``test_line`` (the cap), ``tools/bench/test_sync``
records are lost on a restart of the machine    ``test_power_cut``, ``test_lying_disk``
the whole backlog is loaded into memory         ``test_peers`` (memory)
a changed configuration deletes the backlog     ``test_peers`` (configuration)
what the server refuses is thrown away          ``tools/platform/test_dead_letters``, ``test_wrong_acknowledgement``
the last id is saved only on a clean end        ``test_commit_points``, ``test_kill_agent``
=============================================== ==========================================================
"""

from __future__ import annotations

import os

SHORT_ROUNDS = 6
ROUNDS = int(os.environ.get("ONECARD_FAULT_ROUNDS", SHORT_ROUNDS))
SEED = int(os.environ.get("ONECARD_FAULT_SEED", "1"))
