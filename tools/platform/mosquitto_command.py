"""`onecard platform mosquitto`: write what a mosquitto of one's own needs to be this platform's broker."""

from __future__ import annotations

import getpass
from pathlib import Path

import click

from tools.cli.words import say
from tools.platform.broker import DEFAULT_PORT
from tools.platform.ca import Authority
from tools.platform.command_options import directory_option, enrol_port_option
from tools.platform.key_files import make_private_directory
from tools.platform.mosquitto import Place, write, write_enrolment
from tools.platform.service import Layout


@click.command(help=say("写出 mosquitto 的配置和权限", "Write mosquitto's configuration, and who may do what"))
@click.argument("target", metavar=say("目录", "DIRECTORY"), type=click.Path(file_okay=False, path_type=Path))
@directory_option
@click.option("--listen", default="0.0.0.0", show_default=True, help=say("监听的地址", "The address to listen on"))  # noqa: S104 - terminals are elsewhere; nobody gets in without a certificate
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    default=DEFAULT_PORT,
    show_default=True,
    help=say("监听的端口", "The port to listen on"),
)
@enrol_port_option
@click.option("--no-enrolment", is_flag=True, help=say("不开放注册", "Let no box enrol"))
@click.option(
    "--state",
    type=click.Path(file_okay=False, path_type=Path),
    help=say("mosquitto 存放会话和日志的目录（默认：同一目录）", "Where sessions and log go (default: there too)"),
)
@click.option(
    "--user",
    default=getpass.getuser,
    help=say("由 root 启动后改用的用户（默认：自己）", "Whom it becomes when root starts it (default: you)"),
)
def mosquitto(
    target: Path,
    directory: Path,
    listen: str,
    port: int,
    enrol_port: int | None,
    no_enrolment: bool,
    state: Path | None,
    user: str,
) -> None:
    """Holds for every terminal, also for those that are added later."""
    authority = Authority.at(Layout(directory).keys)
    enrol_port = enrol_port or port + 1
    inner = enrol_port + 1
    make_private_directory(target)
    write(authority, Place(target, state or target, port, listen, user))
    if not no_enrolment:
        enrolment = target / "enrolment"
        make_private_directory(enrolment)
        place = Place(enrolment, state or target, enrol_port, listen, user, "enrolment")
        write_enrolment(authority, place, ("127.0.0.1", inner))
    click.echo(say(f"已写入 {target}", f"written to {target}"))
    click.echo(say(f"启动：mosquitto -c {target}/mosquitto.conf", f"start it: mosquitto -c {target}/mosquitto.conf"))
    if not no_enrolment:
        further = f"mosquitto -c {target}/enrolment/mosquitto.conf"
        click.echo(say(f"终端注册用的另一个：{further}", f"and the one where boxes enrol: {further}"))
        run = f"onecard platform run --broker … --enrol-broker mqtts://127.0.0.1:{inner}"
        click.echo(say(f"平台：{run}", f"the platform: {run}"))
