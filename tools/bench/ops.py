"""``onecard bench ops``: what a terminal costs whoever runs it, one figure a file."""

from __future__ import annotations

from tools.bench import ops_disk, ops_doctor, ops_first_tap, ops_idle
from tools.bench.ops_site import ops_site
from tools.bench.place import bench_directory
from tools.bench.report import Report


def run(taps: int, idle_s: float) -> Report:
    """The doctor comes last on its terminal, since it wants it stopped as well; the load has a terminal of its own."""
    with bench_directory() as directory, ops_site(directory) as site:
        figures = (ops_idle.measure(site, idle_s), ops_disk.lone(site, taps), ops_doctor.measure(site))
    with bench_directory() as directory:
        first_tap = ops_first_tap.measure(directory)
    with bench_directory() as directory:
        loaded = ops_disk.loaded(directory, taps)
    conditions: dict[str, str | int | float] = {
        "preset": "gate",
        "camera": "none",
        "taps": taps,
        "idle_s": idle_s,
        "lanes_under_load": ops_disk.LANES,
    }
    return Report("ops", (first_tap, *figures, loaded), conditions)
