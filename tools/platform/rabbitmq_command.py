"""`onecard platform rabbitmq`: write what a RabbitMQ cluster needs to be this platform's broker."""

from __future__ import annotations

from pathlib import Path

import click

from tools.cli.words import say
from tools.platform.ca import Authority
from tools.platform.command_options import directory_option
from tools.platform.key_files import make_private_directory, write_private
from tools.platform.rabbitmq import advanced, configuration, definitions, revoked_name
from tools.platform.revocation import is_out, write_list
from tools.platform.service import Layout


@click.command(help=say("写出 RabbitMQ 的配置和权限", "Write RabbitMQ's configuration, and who may do what"))
@click.argument("target", metavar=say("目录", "DIRECTORY"), type=click.Path(file_okay=False, path_type=Path))
@directory_option
def rabbitmq(target: Path, directory: Path) -> None:
    """For every terminal that was added so far; run it again after adding one, or revoking a certificate."""
    authority = Authority.at(Layout(directory).keys)
    make_private_directory(target)
    rights = target / "definitions.json"
    terminals = [terminal for terminal in authority.enrolled() if not is_out(authority, terminal)]
    write_private(rights, definitions(terminals).encode())
    write_private(target / "rabbitmq.conf", configuration(rights).encode())
    revoked = target / "revoked"
    make_private_directory(revoked)
    write_list(authority)
    write_private(revoked / revoked_name(authority), authority.revoked_list.read_bytes())
    write_private(target / "advanced.config", advanced(authority, revoked).encode())
    click.echo(say(f"已写入 {target}", f"written to {target}"))
    click.echo(
        say(
            f"rabbitmq-env.conf 中应有：CONFIG_FILE={target / 'rabbitmq.conf'}，"
            f"ADVANCED_CONFIG_FILE={target / 'advanced.config'}",
            f"rabbitmq-env.conf should say CONFIG_FILE={target / 'rabbitmq.conf'} and"
            f" ADVANCED_CONFIG_FILE={target / 'advanced.config'}",
        )
    )
    click.echo(
        say(
            f"添加终端后，再次运行本命令，然后 rabbitmqctl import_definitions {rights}；吊销证书后，再次运行本命令即可",
            f"after adding terminals: this command again, and rabbitmqctl import_definitions {rights}; after revoking"
            " certificates: this command again",
        )
    )
