"""``onecard completion``: what a shell needs to complete commands, options and names of files."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from agent.words import say

_VARIABLE = "_ONECARD_COMPLETE"


@click.command(
    help=say(
        '输出补全脚本；写入启动文件：eval "$(onecard completion bash)"',
        'Print the script that completes commands; into a start-up file: eval "$(onecard completion bash)"',
    )
)
@click.argument("shell", metavar=say("外壳", "SHELL"), type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print click's own script for this command."""
    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101 -- click has these three
    click.echo(kind(ctx.find_root().command, {}, "onecard", _VARIABLE).source())
