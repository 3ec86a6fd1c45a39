"""The cap on the journal's upload, in simulated time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agent.sync.pace import Pace
from agent.sync.uplink import LEAST_BATCH_BYTES, UplinkSettings


def test_without_a_cap_nothing_waits_and_batches_are_as_they_were() -> None:
    pace = Pace(None)
    assert [pace.wait_s(1 << 20, 0.0) for _ in range(3)] == [0.0] * 3
    assert pace.fitting(UplinkSettings()) == UplinkSettings()


@given(st.lists(st.tuples(st.integers(1, 300_000), st.floats(0, 20)), min_size=2, max_size=30))
def test_whatever_leaves_within_any_span_fits_the_cap(batches: list[tuple[int, float]]) -> None:
    pace, now_s, sent = Pace(1_000), 0.0, []
    for size_bytes, pause_s in batches:
        now_s += pause_s
        now_s += pace.wait_s(size_bytes, now_s)
        sent.append((now_s, size_bytes))
    for first in range(len(sent)):
        for last in range(first + 1, len(sent)):
            between = sum(size for _, size in sent[first:last])  # the last one is only beginning to leave
            assert between * 8 / 1_000_000 <= sent[last][0] - sent[first][0] + 1e-6


def test_batches_shrink_to_what_leaves_in_two_seconds_and_no_further_than_the_least() -> None:
    assert Pace(512).fitting(UplinkSettings()).batch_bytes == 128_000
    assert Pace(64).fitting(UplinkSettings()).batch_bytes == LEAST_BATCH_BYTES
    assert Pace(1_000_000).fitting(UplinkSettings()).batch_bytes == UplinkSettings().batch_bytes
