"""``onecard bench``: each figure by its own command, all of them by ``all``."""

from __future__ import annotations

from pathlib import Path

import click

from agent.words import say
from tools.bench import fleet as fleet_bench
from tools.bench import ops as ops_bench
from tools.bench import profiles as profiles_bench
from tools.bench import scan as scan_bench
from tools.bench import start as start_bench
from tools.bench import status as status_bench
from tools.bench import store as store_bench
from tools.bench import sync as sync_bench
from tools.bench import tap as tap_bench
from tools.bench import verify as verify_bench
from tools.platform.broker import Endpoint
from tools.platform.errors import PlatformError

json_option = click.option(
    "--json", "as_json", is_flag=True, help=say("最后一行输出 JSON", "End with one line of JSON")
)


@click.group(help=say("性能测量，与裸的对照物同时进行", "Measure, beside the raw peer in the same run"))
def bench() -> None:
    """Hold the benches."""


@bench.command(help=say("从卡片最后应答到闸门动作", "From the card's last answer to the relay commanded"))
@click.option(
    "--taps", type=click.IntRange(20, 20_000), default=500, show_default=True, help=say("刷卡次数", "How many taps")
)
@click.option(
    "--reader",
    type=click.Choice(sorted(tap_bench.READERS)),
    default="pn532",
    show_default=True,
    help=say("用哪种读卡器", "Which reader"),
)
@json_option
def tap(taps: int, reader: str, as_json: bool) -> None:
    """Measure taps."""
    tap_bench.run(taps, reader).tell(as_json=as_json)


@bench.command(
    help=say(
        "从码完整出现在画面到闸门动作，及空闲时的 CPU", "From a code wholly in the picture to the relay; CPU at rest"
    )
)
@click.option(
    "--scans", type=click.IntRange(3, 2000), default=60, show_default=True, help=say("扫码次数", "How many scans")
)
@click.option(
    "--look",
    default="clear",
    show_default=True,
    help=say("拍摄条件，如 glare、oled、hard", "Conditions, as glare, oled, hard"),
)
@click.option(
    "--enter-ms",
    type=click.IntRange(0, 2000),
    default=300,
    show_default=True,
    help=say("手机移入画面所用毫秒；0：突然出现", "Milliseconds that the phone takes to come; 0: it is there at once"),
)
@click.option(
    "--idle",
    "idle_s",
    type=click.FloatRange(1, 600),
    default=20.0,
    show_default=True,
    help=say("空闲测量的秒数", "Seconds of rest to measure"),
)
@json_option
def scan(scans: int, look: str, enter_ms: int, idle_s: float, as_json: bool) -> None:
    """Measure scans."""
    scan_bench.run(scans, look, enter_ms, idle_s).tell(as_json=as_json)


@bench.command(help=say("启动时间与内存", "Time to ready, and memory"))
@click.option(
    "--rounds", type=click.IntRange(1, 100), default=5, show_default=True, help=say("轮数", "How many rounds")
)
@json_option
def start(rounds: int, as_json: bool) -> None:
    """Measure starts."""
    start_bench.run(rounds).tell(as_json=as_json)


@bench.command(
    help=say("动态码从文字到结论，与其两次裸验签比较", "A dynamic code's verdict, beside its two bare checks")
)
@click.option(
    "--codes", type=click.IntRange(5, 10_000), default=200, show_default=True, help=say("码的个数", "How many codes")
)
@click.option(
    "--rounds", type=click.IntRange(2, 1000), default=10, show_default=True, help=say("轮数", "How many rounds")
)
@json_option
def verify(codes: int, rounds: int, as_json: bool) -> None:
    """Measure verdicts."""
    verify_bench.run(codes, rounds).tell(as_json=as_json)


@bench.command(
    help=say("一千万市民的吊销名单：查询、内存、增量", "The deny list of ten million citizens: look-up, memory, delta")
)
@click.option(
    "--citizens",
    type=click.IntRange(1_000, 100_000_000),
    default=10_000_000,
    show_default=True,
    help=say("市民数", "How many citizens"),
)
@click.option(
    "--revoked",
    type=click.IntRange(0),
    default=5_000_000,
    show_default=True,
    help=say("其中已吊销的条数", "How many of them are revoked"),
)
@click.option(
    "--changes",
    type=click.IntRange(1),
    default=100_000,
    show_default=True,
    help=say("增量的变更数", "How many changes the delta has"),
)
@click.option(
    "--rounds", type=click.IntRange(1, 100), default=5, show_default=True, help=say("轮数", "How many rounds")
)
@json_option
def status(citizens: int, revoked: int, changes: int, rounds: int, as_json: bool) -> None:
    """Measure the deny list."""
    if max(revoked, changes) > citizens:
        raise click.UsageError(say("不能多于市民数", "there are not so many citizens"))
    status_bench.run(citizens, revoked, changes, rounds).tell(as_json=as_json)


@bench.command(help=say("日志写入，与裸 SQLite 提交比较", "Appends to the journal, beside bare SQLite commits"))
@click.option(
    "--records",
    type=click.IntRange(10_000, 100_000_000),
    default=3_000_000,
    show_default=True,
    help=say("大日志的记录数", "How many records the large journal holds"),
)
@click.option(
    "--appends", type=click.IntRange(10), default=300, show_default=True, help=say("每轮写入次数", "Appends a round")
)
@click.option(
    "--rounds", type=click.IntRange(1, 100), default=7, show_default=True, help=say("轮数", "How many rounds")
)
@json_option
def store(records: int, appends: int, rounds: int, as_json: bool) -> None:
    """Measure the journal."""
    store_bench.run(records, appends, rounds).tell(as_json=as_json)


@bench.command(
    help=say("断网后补传，同时刷卡，与裸程序比较", "A drain after an outage while people tap, beside a bare program's")
)
@click.option(
    "--records",
    type=click.IntRange(1_000, 10_000_000),
    default=100_000,
    show_default=True,
    help=say("积压的记录数", "How many records wait"),
)
@click.option(
    "--rounds", type=click.IntRange(1, 100), default=5, show_default=True, help=say("轮数", "How many rounds")
)
@json_option
def sync(records: int, rounds: int, as_json: bool) -> None:
    """Measure the drain."""
    sync_bench.run(records, rounds).tell(as_json=as_json)


@bench.command(
    help=say(
        "断网后全城终端同时重连，各自补传一天的记录",
        "A city's terminals reconnect all at once, with a day's backlog each",
    )
)
@click.option(
    "--terminals",
    type=click.IntRange(20, 10_000),
    default=2_000,
    show_default=True,
    help=say("终端数", "How many terminals"),
)
@click.option(
    "--records",
    type=click.IntRange(2, 100_000),
    default=200,
    show_default=True,
    help=say("每台积压的记录数", "How many records wait in each"),
)
@click.option(
    "--rounds", type=click.IntRange(1, 100), default=3, show_default=True, help=say("轮数", "How many rounds")
)
@click.option("--broker", metavar="URL", help=say("使用已有的消息服务器", "Use the broker at mqtts://host:port"))
@click.option(
    "--platform-dir",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help=say(
        "平台的目录，该消息服务器信任其证书", "The directory of the platform whose certificates that broker trusts"
    ),
)
@json_option
def fleet(
    terminals: int, records: int, rounds: int, broker: str | None, platform_dir: Path | None, as_json: bool
) -> None:
    """Measure a fleet."""
    if (broker is None) != (platform_dir is None):
        raise click.UsageError(say("--broker 与 --platform-dir 须同时给出", "--broker and --platform-dir go together"))
    try:
        given = None
        if broker is not None and platform_dir is not None:
            given = fleet_bench.Given(Endpoint.parse(broker), platform_dir)
        report = fleet_bench.run(terminals, records, rounds, given)
    except PlatformError as error:
        raise click.ClickException(str(error)) from error
    report.tell(as_json=as_json)


@bench.command(
    help=say(
        "从一组照片中识读二维码，与另外三种识读程序比较",
        "Codes read from a set of photographs, beside three other decoders",
    )
)
@click.option(
    "--set",
    "directory",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    required=True,
    help=say("含 manifest.jsonl 的目录", "A folder with manifest.jsonl"),
)
@json_option
def qr(directory: Path, as_json: bool) -> None:
    """Measure decoding."""
    from tools.bench import qr as qr_bench  # OpenCV and three decoders, which the other benches do without

    qr_bench.run(directory).tell(as_json=as_json)


@bench.command(
    name="profiles",
    help=say(
        "每个场景每秒的决定数，与一次落盘提交比较", "Decisions a second of every scene, beside one durable commit"
    ),
)
@click.option(
    "--rounds", type=click.IntRange(1, 1000), default=10, show_default=True, help=say("轮数", "How many rounds")
)
@json_option
def profiles_(rounds: int, as_json: bool) -> None:
    """Measure decisions."""
    profiles_bench.run(rounds).tell(as_json=as_json)


@bench.command(
    help=say(
        "运行一台终端的代价：裸设备到首次刷卡、空闲时的 CPU、每次刷卡写盘的字节、doctor 的用时",
        "What a terminal costs whoever runs it: a bare box to its first tap, CPU at rest, bytes written, the doctor",
    )
)
@click.option(
    "--taps", type=click.IntRange(5, 20_000), default=200, show_default=True, help=say("刷卡次数", "How many taps")
)
@click.option(
    "--idle",
    "idle_s",
    type=click.FloatRange(1, 600),
    default=20.0,
    show_default=True,
    help=say("空闲测量的秒数", "Seconds of rest to measure"),
)
@json_option
def ops(taps: int, idle_s: float, as_json: bool) -> None:
    """Measure what operating costs."""
    ops_bench.run(taps, idle_s).tell(as_json=as_json)


@bench.command(name="all", help=say("全部测量", "Every bench"))
@json_option
def all_benches(as_json: bool) -> None:
    """Run every bench with its defaults."""
    start_bench.run(5).tell(as_json=as_json)
    tap_bench.run(500, "pn532").tell(as_json=as_json)
    scan_bench.run(60, "clear", 300, 20.0).tell(as_json=as_json)
    verify_bench.run(200, 10).tell(as_json=as_json)
    status_bench.run(10_000_000, 5_000_000, 100_000, 5).tell(as_json=as_json)
    store_bench.run(3_000_000, 300, 7).tell(as_json=as_json)
    ops_bench.run(200, 20.0).tell(as_json=as_json)
    profiles_bench.run(10).tell(as_json=as_json)
    sync_bench.run(100_000, 5).tell(as_json=as_json)
    fleet_bench.run(2_000, 200, 3).tell(as_json=as_json)
