"""`onecard platform worker`: a further ingest worker, until Ctrl-C or SIGTERM."""

from __future__ import annotations

import queue
import signal
from pathlib import Path

import click

from tools.cli.words import say
from tools.platform import shards as sharding
from tools.platform.ca import MAX_WORKERS
from tools.platform.command_options import directory_option, expect_batches
from tools.platform.consumer import Share
from tools.platform.worker import Worker


@click.command(help=say("再开一个接收进程，分担一部分终端", "Run a further ingest worker for a share of the terminals"))
@click.option(
    "--number",
    type=click.IntRange(1, MAX_WORKERS),
    required=True,
    help=say("进程编号，各不相同", "Its number; each worker has one of its own"),
)
@click.option("--shards", "text", required=True, metavar="00-7f", help=say("负责的分片", "The shards that it serves"))
@click.option(
    "--database",
    metavar="URL",
    required=True,
    help=say("数据库（postgresql+psycopg://…）", "The database (postgresql+psycopg://…)"),
)
@click.option(
    "--broker",
    metavar="URL",
    help=say("消息服务器（默认：平台自己的）", "The broker at mqtts://host:port (default: the platform's own)"),
)
@directory_option
def worker(number: int, text: str, database: str, broker: str | None, directory: Path) -> None:
    """Consume in the foreground. The platform itself serves the rest: `onecard platform run --shards …`."""
    stop: queue.SimpleQueue[int] = queue.SimpleQueue()
    for caught in (signal.SIGINT, signal.SIGTERM):
        signal.signal(caught, lambda received, _frame: stop.put(received))
    share = Share(number, sharding.parse(text))
    with Worker.start(directory, database, broker, share):
        click.echo(say(f"{number} 号接收进程已就绪", f"worker {number} is ready"))
        expect_batches()
        stop.get()
        click.echo(say("正在停止。", "Stopping."))
