"""``onecard explain``: rule by rule, why a record says what it says, and by which versions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from agent.words import say
from offline_store.lookup import Lookup
from profiles.reasons import Sentence
from profiles.trace import Said
from tools.cli.codes import kind_words, reason_words, refuses
from tools.cli.place import state_dir_option
from tools.cli.times import local
from tools.explanation import CannotExplain, Explanation, InForce, explain


@click.command(
    help=say(
        "逐条规则说明一条记录为何如此，以及所依据的名单、价目和配置的版本",
        "Say rule by rule why a record is as it is, by which versions of lists, tariffs and configuration",
    )
)
@click.argument("record", metavar=say("编号", "ID"))
@state_dir_option
@click.option("--json", "as_json", is_flag=True, help=say("输出 JSON", "Print JSON"))
def command(record: str, state_dir: Path, as_json: bool) -> None:
    """Explain one record, without medium and subject."""
    lookup = Lookup.open(state_dir)
    try:
        explanation = explain(lookup, record)
    except CannotExplain as refusal:
        raise click.ClickException(say(refusal.sentence.zh, refusal.sentence.en)) from refusal
    finally:
        lookup.close()
    if as_json:
        click.echo(json.dumps(_facts(explanation), ensure_ascii=False))
        return
    for line in _lines(explanation):
        click.echo(line)


def _lines(explanation: Explanation) -> list[str]:
    record = explanation.found.record
    entry, colon = record.entry, say("：", ": ")
    place = f"  {entry.lane} ({entry.profile})" if entry.lane else ""
    lines = [f"{explanation.found.seq}  {local(entry.time_ms)}  {kind_words(entry.kind)}{place}"]
    if entry.reason:
        lines.append(f"  {reason_words(entry.reason)}")
    if explanation.silence is not None:
        lines.append(f"  {_said(explanation.silence.value)}")
    if explanation.rules:
        lines.append(f"  {say('依次询问的规则', 'the rules that were asked, in order')}{colon}".rstrip())
        refused = _refused(explanation)
        lines += [f"    {_rule(said, refused=said is refused)}" for said in explanation.rules]
        lines += _versions(explanation.in_force)
    if explanation.refers_to is not None:
        name = explanation.refers_to.hex()
        lines.append(
            say(
                f"  所指的记录 {name} 已不在本机", f"  the record {name} that it names is not on this terminal any more"
            )
        )
    if explanation.before is not None:
        lines += ["", say("它所指的记录：", "the record that it names:"), *_lines(explanation.before)]
    return lines


def _refused(explanation: Explanation) -> Said | None:
    """The rule that refused: the last one, if the record's reason refuses; whoever passed was refused by none."""
    if not explanation.rules or not refuses(explanation.found.record.entry.reason):
        return None
    return None if explanation.rules[-1].held else explanation.rules[-1]


def _rule(said: Said, *, refused: bool) -> str:
    if said.rule is None:
        question = say(f"规则 {said.number}（本版本不认识）", f"rule {said.number}, which this version does not know")
    else:
        question = _said(said.rule.question)
    if said.held:
        return f"✓ {question} {say('是', 'yes')}"
    if refused:
        return f"✗ {question} {say('否', 'no')}"
    return f"~ {question} {say('否，但不因此拒绝', 'no, and that alone refuses nobody')}"


def _versions(in_force: InForce) -> list[str]:
    colon, unknown = say("：", ": "), say("已不可知", "not known any more")
    lines = [
        f"  {say('软件', 'software')}{colon}{in_force.software or unknown}",
        f"  {say('配置', 'configuration')}{colon}{in_force.configuration or unknown}",
    ]
    lines += [f"  {name}{colon}{say('版本', 'version')} {version}" for name, version in in_force.bundles.items()]
    if not in_force.whole:
        lines.append(
            say(
                "  此前的版本记录已不在本机，更早安装的名单不可知",
                "  the record of versions before it is not on this terminal any more: earlier lists are not known",
            )
        )
    elif not in_force.bundles:
        lines.append(say("  没有安装任何名单或价目", "  no lists and no tariffs were installed"))
    return lines


def _facts(explanation: Explanation) -> dict[str, Any]:
    entry, in_force = explanation.found.record.entry, explanation.in_force
    refused = _refused(explanation)
    return {
        "seq": explanation.found.seq,
        "id": entry.id.hex(),
        "kind": entry.kind,
        "lane": entry.lane,
        "profile": entry.profile,
        "reason": entry.reason,
        "rules": [
            {
                "number": said.number,
                "rule": None if said.rule is None else said.rule.name,
                "held": said.held,
                "refused": said is refused,
            }
            for said in explanation.rules
        ],
        "silence": None if explanation.silence is None else explanation.silence.name.lower().replace("_", "-"),
        "software": in_force.software,
        "configuration": in_force.configuration,
        "bundles": dict(in_force.bundles),
        "versions_whole": in_force.whole,
        "before": None if explanation.before is None else _facts(explanation.before),
    }


def _said(sentence: Sentence) -> str:
    return say(sentence.zh, sentence.en)
