"""The terminal's trusted clock: whom it believes, for how long, and never below what (``docs/decisions/0010``).

1. **The kernel's clock**, while a time daemon disciplines it, is taken, unless rules 2 or 3 contradict it.
2. **The platform's time** comes signed over a fresh nonce within :data:`MAX_ROUND_TRIP_MS`. Where the kernel's time is
   not within both uncertainties of it, the platform's counts: NTP is not signed.
3. **Holdover**: the last time that was vouched for is carried on by CLOCK_BOOTTIME, which nobody can set, and its
   uncertainty grows by :data:`DRIFT_PPM`; beyond :data:`MAX_UNCERTAINTY_MS`, or after a restart of the machine, it is
   forgotten. The kernel's time is vouched for by the platform's, or by having been steady for :data:`STEADY_MS`; one
   that leaps away from what is carried is not believed before.
4. **The floor** is the newest moment that anything signed carried, or at which vouched-for time was synchronised. A
   time below it is untrusted, whoever says it; one that may be below it is the floor. Only the platform's time lowers
   it, or a technician, and he not below what was signed: a poisoned future can be cured, and a delayed old answer
   revives no old code. While the clock is trusted, what is signed raises the floor no higher than the earliest that it
   can be by rules 1 to 3 alone, so that whoever signs ahead of time neither leads nor stops it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import cbor2
from pydantic import TypeAdapter

from agent import cbor
from agent.clock import Moment
from agent.kernel_time import KernelClock, KernelTime, boot_ms, kernel_clock
from profiles.api import ClockState
from profiles.rules.codes import MAX_CLOCK_UNCERTAINTY_MS

MAX_ROUND_TRIP_MS = 5_000
PLATFORM_ERROR_MS = 500
"""How far the platform's own clock may be wrong."""
DRIFT_PPM = 100
"""A plain crystal between -20 and 70 °C stays within it: 8.6 s a day."""
MAX_UNCERTAINTY_MS = MAX_CLOCK_UNCERTAINTY_MS
"""No lane trusts more, so that nothing is gained by carrying on."""
STEADY_MS = 15 * 60_000
"""One poisoned answer of NTP is corrected by the next ones sooner; whoever lies for longer is an attacker in place."""
LEAP_MS = 500
"""Less is a correction: daemons are a little off in what they say of themselves, and no code's age turns on it."""
FRESH_MS = 2 * 3_600_000
"""The platform's time counts as synchronised for so long: it is asked every hour while the link is up."""

LOOK_AGAIN_MS = 1_000
"""A tap asks for the time more than once; asking the kernel for its state is a system call each time."""

_MAX_SAVED_BYTES = 512


@dataclass(frozen=True, slots=True)
class Anchor:
    """When CLOCK_BOOTTIME was ``boot_ms``, true time was within ``uncertainty_ms`` of ``true_ms``."""

    boot_ms: int
    true_ms: int
    uncertainty_ms: int

    def at(self, boot_ms: int) -> Anchor | None:
        """The same knowledge carried on to a later moment; ``None`` once it is too uncertain."""
        elapsed_ms = boot_ms - self.boot_ms
        uncertainty_ms = self.uncertainty_ms + -(-elapsed_ms * DRIFT_PPM // 1_000_000)
        if elapsed_ms < 0 or uncertainty_ms > MAX_UNCERTAINTY_MS:
            return None
        return Anchor(boot_ms, self.true_ms + elapsed_ms, uncertainty_ms)

    def agrees(self, other: Anchor, slack_ms: int = 0) -> bool:
        """Whether both can be true, or miss it by no more than ``slack_ms``; for two of the same moment."""
        return abs(self.true_ms - other.true_ms) <= self.uncertainty_ms + other.uncertainty_ms + slack_ms


@dataclass(frozen=True, slots=True)
class Known:
    """All that the clock remembers."""

    floor_ms: int = 0
    kernel: Anchor | None = None
    platform: Anchor | None = None
    signed_ms: int = 0
    """The newest moment that anything signed carried since the platform last said the time, or that time: a reset leads
    the floor back to it."""
    passed_ms: int = 0
    """How long the terminal has worked since without a time that it could trust, over restarts too."""

    @property
    def least_ms(self) -> int:
        """It is not earlier: what was known, and the time that has passed since."""
        return self.floor_ms + self.passed_ms

    def heard_at(self, boot_ms: int) -> bool:
        """Whether the platform has said the time so lately that it vouches for it."""
        return self.platform is not None and 0 <= boot_ms - self.platform.boot_ms <= FRESH_MS


@dataclass(frozen=True, slots=True)
class _Stored:
    """What :meth:`TrustedClock.saved` holds. CLOCK_BOOTTIME means nothing after another start of the machine."""

    boot_id: bytes
    known: Known


_STORED = TypeAdapter(_Stored)


def judge(kernel: KernelTime, known: Known) -> Moment:
    """The rules above, for one reading of the kernel's clock."""
    boot_ms = kernel.boot_ms
    live = _anchor(kernel) if kernel.synchronised else None
    witness = known.platform and known.platform.at(boot_ms)
    carried = known.kernel and known.kernel.at(boot_ms)
    heard_now = known.heard_at(boot_ms)
    if witness is not None:
        live = live if live and live.agrees(witness) else None
        carried = carried if carried and carried.agrees(witness) else None
    if live and carried and not live.agrees(carried, LEAP_MS):
        live = None
    best = live or min(
        (anchor for anchor in (carried, witness) if anchor), key=lambda anchor: anchor.uncertainty_ms, default=None
    )
    if best is None:
        return Moment(kernel.now_ms, ClockState.UNTRUSTED, kernel.max_error_ms, known.least_ms)
    state = ClockState.SYNCHRONISED if live or heard_now else ClockState.HOLDOVER
    if best.true_ms + best.uncertainty_ms < known.floor_ms:
        return Moment(best.true_ms, ClockState.UNTRUSTED, best.uncertainty_ms, known.least_ms)
    return Moment(max(best.true_ms, known.floor_ms), state, best.uncertainty_ms)


class TrustedClock:
    """Implements :class:`agent.clock.Clock`. Every call may come from any thread."""

    def __init__(self, read: KernelClock | None = None, boot: Callable[[], int] | None = None) -> None:
        """``read`` is the kernel's clock; ``boot`` its ``boot_ms`` alone, where that is cheaper to have."""
        self._read = read or kernel_clock()
        self._boot = boot if read is not None else boot_ms
        self._judged: tuple[int, Moment] | None = None
        self._known = Known()
        self._reference: Anchor | None = None
        self._steady_since_ms = 0
        self._kept_boot_ms: int | None = None
        self._learning = threading.Lock()

    def now_ms(self) -> int:
        """Unix milliseconds, UTC, by the best that is known."""
        return self.moment().now_ms

    def monotonic_ms(self) -> int:
        """Milliseconds of CLOCK_BOOTTIME: a machine that slept knows how long a question was under way."""
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000

    def state(self) -> ClockState:
        """How far :meth:`now_ms` can be trusted."""
        return self.moment().state

    def moment(self) -> Moment:
        """Time, state and uncertainty in one reading.

        The kernel is asked again after :data:`LOOK_AGAIN_MS`; until then the last judgement is carried on, by the same
        clock that carries everything here.
        """
        judged = self._judged
        if self._boot is not None and judged is not None:
            elapsed_ms = self._boot() - judged[0]
            if 0 <= elapsed_ms < LOOK_AGAIN_MS:
                last = judged[1]
                return Moment(last.now_ms + elapsed_ms, last.state, last.uncertainty_ms, last.floor_ms)
        kernel = self._read()
        moment = judge(kernel, self._known)
        self._judged = kernel.boot_ms, moment
        return moment

    @property
    def known(self) -> Known:
        """All of it, for a person to look at."""
        return self._known

    @property
    def floor_ms(self) -> int:
        """The clock is untrusted below it; 0 while nothing is known."""
        return self._known.floor_ms

    @property
    def least_ms(self) -> int:
        """:attr:`Known.least_ms`: what has ended by then stays so, and it decides nothing about trust."""
        return self._known.least_ms

    def platform_said(self, issued_ms: int, round_trip_ms: int) -> bool:
        """Take the platform's signed time; whether it counts.

        ``issued_ms`` was true at some moment of the last ``round_trip_ms``, and the answer carried the nonce of a
        question that was sent at their beginning.
        """
        if not 0 <= round_trip_ms <= MAX_ROUND_TRIP_MS:
            return False
        half_ms = -(-round_trip_ms // 2)
        anchor = Anchor(self._read().boot_ms, issued_ms + half_ms, half_ms + PLATFORM_ERROR_MS)
        with self._learning:
            self._learn(replace(self._known, floor_ms=issued_ms, signed_ms=issued_ms, platform=anchor, passed_ms=0))
        return True

    def signed_at(self, issued_ms: int) -> None:
        """Something whose signature holds was made then: it is not earlier now.

        A clock that is trusted is not led beyond what it surely knows itself: whoever signs ahead of time stops no
        lane, also where the clock gets surer afterwards. That is told without the floor, which he raises.
        """
        kernel = self._read()
        with self._learning:
            known = self._known
            if judge(kernel, known).state is not ClockState.UNTRUSTED:
                own = judge(kernel, replace(known, floor_ms=0))
                issued_ms = min(issued_ms, own.now_ms - own.uncertainty_ms)
            floor_ms, signed_ms = max(known.floor_ms, issued_ms), max(known.signed_ms, issued_ms)
            passed_ms = max(0, known.least_ms - floor_ms)
            self._learn(replace(known, floor_ms=floor_ms, signed_ms=signed_ms, passed_ms=passed_ms))

    def reset_floor(self) -> None:
        """Lead the floor back to what was signed; for a technician, after somebody's false time raised it."""
        with self._learning:
            self._learn(replace(self._known, floor_ms=self._known.signed_ms, kernel=None, passed_ms=0))

    def keep(self) -> Moment:
        """Note what holds now, for the time when nobody speaks any more; to be called every few seconds."""
        kernel = self._read()
        with self._learning:
            known = self._known
            steady, live = self._is_steady(kernel), _anchor(kernel)
            witness = known.platform and known.platform.at(kernel.boot_ms)
            possible = live.true_ms + live.uncertainty_ms >= known.floor_ms
            if steady and possible and (witness is None or live.agrees(witness)):
                known = replace(known, kernel=live)  # it may lead away from what is carried
            moment = judge(kernel, known)
            if moment.state is ClockState.SYNCHRONISED and (steady or known.heard_at(kernel.boot_ms)):
                floor_ms = max(known.floor_ms, moment.now_ms - moment.uncertainty_ms)
                trusted = kernel.synchronised and moment.now_ms == kernel.now_ms
                known = replace(known, floor_ms=floor_ms, kernel=live if trusted else known.kernel)
            since_ms = 0 if self._kept_boot_ms is None else kernel.boot_ms - self._kept_boot_ms
            untrusted = moment.state is ClockState.UNTRUSTED
            self._learn(replace(known, passed_ms=known.passed_ms + since_ms if untrusted else 0))
            self._kept_boot_ms = kernel.boot_ms
        return moment

    def saved(self, boot_id: bytes) -> bytes:
        """What is known, for the disk: CBOR."""
        stored = _Stored(boot_id, self._known)
        return cbor2.dumps(_STORED.dump_python(stored))

    def restore(self, saved: bytes, boot_id: bytes) -> None:
        """Take up :meth:`saved`; of another start of the machine only the floor. Raises ``ValueError`` if damaged."""
        stored = _STORED.validate_python(cbor.decode_foreign(saved, max_bytes=_MAX_SAVED_BYTES, max_depth=4))
        known = stored.known
        if stored.boot_id != boot_id:
            known = Known(known.floor_ms, signed_ms=known.signed_ms, passed_ms=known.passed_ms)
        with self._learning:
            floor_ms, signed_ms = max(self._known.floor_ms, known.floor_ms), max(self._known.signed_ms, known.signed_ms)
            passed_ms = max(0, known.least_ms - floor_ms)
            self._learn(replace(known, floor_ms=floor_ms, signed_ms=signed_ms, passed_ms=passed_ms))

    def _learn(self, known: Known) -> None:
        self._known = known
        self._judged = None

    def _is_steady(self, kernel: KernelTime) -> bool:
        """Whether the kernel's time is disciplined, and went on for :data:`STEADY_MS` without a leap.

        The reading that it is held against is never older than twice that: over days, drift would excuse any leap.
        """
        if not kernel.synchronised:
            return False
        live, reference = _anchor(kernel), self._reference
        expected = reference and reference.at(kernel.boot_ms)
        if reference is None or expected is None or not live.agrees(expected, LEAP_MS):
            self._reference, self._steady_since_ms = live, live.boot_ms
            return False
        if live.boot_ms - reference.boot_ms >= STEADY_MS:
            self._reference = live
        return live.boot_ms - self._steady_since_ms >= STEADY_MS


def _anchor(kernel: KernelTime) -> Anchor:
    return Anchor(kernel.boot_ms, kernel.now_ms, kernel.max_error_ms)
