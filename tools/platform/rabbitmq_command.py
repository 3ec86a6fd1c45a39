"""`onecard platform rabbitmq`: write what a RabbitMQ cluster needs to be this platform's broker."""

from __future__ import annotations

from pathlib import Path

import click

from tools.cli.words import say
from tools.platform.ca import Authority, make_private_directory, write_private
from tools.platform.command_options import directory_option
from tools.platform.rabbitmq import configuration, definitions
from tools.platform.revocation import is_out
from tools.platform.service import Layout


@click.command(help=say("写出 RabbitMQ 的配置和权限", "Write RabbitMQ's configuration, and who may do what"))
@click.argument("target", metavar=say("目录", "DIRECTORY"), type=click.Path(file_okay=False, path_type=Path))
@directory_option
def rabbitmq(target: Path, directory: Path) -> None:
    """For every terminal that was added so far; run it again, and import the rights, after adding more."""
    authority = Authority.at(Layout(directory).keys)
    make_private_directory(target)
    rights = target / "definitions.json"
    terminals = [terminal for terminal in authority.enrolled() if not is_out(authority, terminal)]
    write_private(rights, definitions(terminals).encode())
    write_private(target / "rabbitmq.conf", configuration(authority, rights).encode())
    click.echo(say(f"已写入 {target}", f"written to {target}"))
    click.echo(
        say(
            f"之后每次添加终端：rabbitmqctl import_definitions {rights}",
            f"after adding terminals: rabbitmqctl import_definitions {rights}",
        )
    )
