"""What a terminal at work recorded can be explained from its own disk."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from offline_store.lookup import Lookup
from profiles.trace import Rule
from tests.scenarios.site import gate
from tools.explanation import explain


def test_a_tap_of_the_log_is_explained_with_software_configuration_and_every_rule(tmp_path: Path) -> None:
    with gate(tmp_path) as site:
        site.insert("gen3-chen")
        tap = site.expect("decision", reason="granted")["tap"]
        lookup = Lookup.open(site.state_dir)
        explanation = explain(lookup, str(tap))
        lookup.close()
    rules = [Rule.ASSURANCE, Rule.ADMISSION, Rule.SCHEDULE, Rule.LANE_FREE, Rule.NOT_REPEATED]
    assert [(said.rule, said.held) for said in explanation.rules] == [(rule, True) for rule in rules]
    in_force = explanation.in_force
    assert (in_force.software, len(in_force.configuration or ""), in_force.bundles) == (
        version("onecard-terminal"),
        16,
        {},
    )
    assert in_force.whole
