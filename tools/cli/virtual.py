"""``onecard virtual``: drive the virtual devices of a running terminal from a second shell."""

from __future__ import annotations

import re
import shlex
import subprocess
import time
from pathlib import Path
from typing import get_args

import click

from agent.words import say, why_en, why_zh
from drivers.keypad import AMOUNT_MAX_FEN, fen
from drivers.virtual.bench import (
    SOCKET_NAME,
    BenchState,
    CameraTrouble,
    Command,
    Hold,
    Insert,
    Library,
    LibraryState,
    Plug,
    Press,
    Relay,
    RelayState,
    Remove,
    Scan,
    Status,
    Trouble,
    Weigh,
)
from drivers.virtual.place import virtual_dir
from tools.cli.bench_process import ask
from tools.cli.place import terminal_option
from tools.cli.virtual_told import told
from tools.cli.virtual_walk import walk

PRESS_MS = 200
MAX_HOLD_MS = 60_000
MAX_CHANGES = 20
_LOOK, _SYMBOLOGY = "clear", "qr"
_NUMBER = re.compile(r"[+-]?[.]?[0-9]")
"""How an amount begins; an input's name begins otherwise."""
json_option = click.option("--json", "as_json", is_flag=True, help=say("输出 JSON", "Print JSON"))


def _do(terminal: str, command: Command, zh: str, en: str, see: str = "journal list") -> None:
    """Have it done, and say so."""
    ask(virtual_dir(terminal) / SOCKET_NAME, command)
    told(terminal, zh, en, see)


@click.group(help=say("操作运行中终端的虚拟设备", "Drive the virtual devices of a running terminal"))
def virtual() -> None:
    """Hold the commands of the virtual devices."""


virtual.add_command(walk)


@virtual.command(help=say("放一张卡：现成的名字或卡片文件", "Present a card: a ready-made one, or a card file"))
@click.argument("card", metavar=say("卡片", "CARD"))
@click.option(
    "--reader",
    help=say(
        "pcsc-0、pcsc-1 或 pn532（默认：卡片通常的位置）", "pcsc-0, pcsc-1 or pn532 (default: where such cards go)"
    ),
)
@click.option("--tear-after", type=click.IntRange(1, 100), help=say("第几条指令时抽走", "Tear it out at this command"))
@click.option(
    "--slow", "slow_ms", type=click.IntRange(1, 10_000), help=say("每条应答延迟毫秒", "Milliseconds an answer")
)
@click.option("--garbage", type=click.IntRange(0), help=say("乱答（随机种子）", "Answer nonsense, from this seed"))
@terminal_option
def insert(
    card: str, reader: str | None, tear_after: int | None, slow_ms: int | None, garbage: int | None, terminal: str
) -> None:
    """Put a card into a virtual reader."""
    path = Path(card)
    # The devices live in another process: a path must mean the same there.
    where = str(path.resolve()) if path.is_file() else card
    command = Insert(reader=reader, card=where, tear_after=tear_after, slow_ms=slow_ms, garbage=garbage)
    _do(terminal, command, f"已放上卡片 {card}", f"presented the card {card}")


@virtual.command(help=say("拿走卡", "Take the card away"))
@click.option("--reader", help=say("读卡器（默认：全部）", "The reader (default: all)"))
@terminal_option
def remove(reader: str | None, terminal: str) -> None:
    """Empty a virtual reader."""
    _do(terminal, Remove(reader=reader), "卡已拿走", "took the card away")


@virtual.command(
    help=say(
        "用手机出示码：有摄像头时给摄像头，否则给扫码器",
        "Show codes on a phone: to the camera if there is one, else to the scanner",
    )
)
@click.argument("texts", metavar=say("文字", "TEXT…"), nargs=-1)
@click.option(
    "--live",
    metavar=say("命令", "COMMAND"),
    help=say(
        "每次更新都运行此命令，其输出为码的文本", "Run this command for every new code; what it prints is the text"
    ),
)
@click.option(
    "--every",
    "every_s",
    type=click.FloatRange(1, 30),
    default=10.0,
    show_default=True,
    help=say("更新间隔（秒）", "Seconds from one live code to the next"),
)
@click.option("--look", default=_LOOK, help=say("拍摄条件，如 glare、oled、hard", "Conditions, as glare, oled, hard"))
@click.option("--symbology", default=_SYMBOLOGY, help=say("码制，如 ean-13", "Of the codes, as ean-13"))
@click.option("--hold", "hold_ms", type=click.IntRange(1, 60_000), default=3000, help=say("毫秒", "Milliseconds"))
@click.option("--scanner", help=say("哪个扫码器，如 scanner-2", "Which scanner, as scanner-2"))
@terminal_option
def show(
    texts: tuple[str, ...],
    live: str | None,
    every_s: float,
    look: str,
    symbology: str,
    hold_ms: int,
    scanner: str | None,
    terminal: str,
) -> None:
    """Show codes."""
    if not all(texts):
        raise click.UsageError(say("码的文字不能为空", "a code's text cannot be empty"))
    if (live is None) is not bool(texts):
        raise click.UsageError(say("请给出文本或 --live", "give texts, or --live"))
    if live is not None:
        _show_live(terminal, shlex.split(live), every_s, Hold(look=look, symbology=symbology, hold_ms=MAX_HOLD_MS))
        return
    held = Hold(texts=texts, look=look, symbology=symbology, hold_ms=hold_ms)
    state = None if scanner is not None else ask(virtual_dir(terminal) / SOCKET_NAME, Status()).state
    if state is None or "camera" not in state.ports:
        if (look, symbology) != (_LOOK, _SYMBOLOGY):
            raise click.UsageError(
                say(
                    "扫码器只给出文字：--look 与 --symbology 只用于摄像头",
                    "a scanner hands over the text alone: --look and --symbology are for a camera",
                )
            )
        scanner = scanner or "scanner"
    if scanner is None:
        _do(terminal, held, "已出示码", "showed the code")
    else:
        for text in texts:
            _do(terminal, Scan(do="show", text=text, scanner=scanner), "已出示码", "showed the code")


def _show_live(terminal: str, command: list[str], every_s: float, hold: Hold) -> None:
    """Until Ctrl-C: a fresh code in the place of the last one; then take the phone away."""
    try:
        while True:
            try:
                made = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            except OSError as error:
                raise click.ClickException(
                    say(f"命令无法运行：{why_zh(error)}", f"the command cannot be run: {why_en(error)}")
                ) from None
            except subprocess.CalledProcessError as error:
                code = error.returncode
                raise click.ClickException(
                    say(f"命令以退出码 {code} 结束", f"the command ended with exit code {code}")
                ) from None

            held = hold.model_copy(update={"texts": (made.stdout.strip(),)})
            _do(terminal, held, "已出示新的码", "showed a new code")
            time.sleep(every_s)
    finally:
        _do(terminal, Hold(), "手机已拿走", "took the phone away")


@virtual.command(help=say("让摄像头出故障", "Let the camera fail"))
@click.argument("trouble", type=click.Choice(get_args(CameraTrouble)))
@terminal_option
def trouble(trouble: CameraTrouble, terminal: str) -> None:
    """Freeze the picture, stop it, or make it no picture."""
    _do(terminal, Trouble(trouble=trouble), f"摄像头：{trouble}", f"the camera: {trouble}", "status")


@virtual.command(help=say("扫一个条码", "Scan a barcode"))
@click.argument("text", metavar=say("文字", "TEXT"))
@terminal_option
def scan(text: str, terminal: str) -> None:
    """Scan a barcode."""
    _do(terminal, Scan(do="scan", text=text), "已扫描", "scanned it")


@virtual.command(help=say("在秤上放多少克；0：拿走", "Put so many grams on the scale; 0 takes everything off"))
@click.argument("grams", metavar=say("克", "GRAMS"), type=click.IntRange(0, 99_999))
@terminal_option
def weigh(grams: int, terminal: str) -> None:
    """Weigh something."""
    _do(terminal, Weigh(grams=grams), f"秤上：{grams} 克", f"on the scale: {grams} g")


@virtual.command(
    help=say(
        "按下输入（passage、fire、fire-reset）五分之一秒，或在键盘上键入金额（12.50）并回车；0 取消金额",
        "Press an input (passage, fire, fire-reset) for a fifth of a second, or type an amount (12.50) on the keypad"
        " and enter it; 0 takes it back",
    )
)
@click.argument("what", metavar=say("输入或金额", "WHAT"))
@click.option("--hold", is_flag=True, help=say("保持不放", "Keep it active"))
@click.option("--release", is_flag=True, help=say("放开", "Let it go"))
@click.option(
    "--keys",
    is_flag=True,
    help=say(
        "把这些键（0-9、.、c 和功能键字母，如 12v）原样按下，不是金额也按：看终端怎么说",
        "Press these keys (0-9, ., c and letters of function keys, like 12v) as they stand: see what the till says",
    ),
)
@click.option(
    "--keypad",
    default="keypad",
    show_default=True,
    help=say("哪个键盘，如 keypad-2", "On which keypad, as keypad-2"),
)
@terminal_option
def press(what: str, hold: bool, release: bool, keys: bool, keypad: str, terminal: str) -> None:
    """Press an input for a fifth of a second, or type an amount."""
    if hold and release:
        raise click.UsageError(say("--hold 与 --release 只能选一个", "give --hold or --release, not both"))
    if keys or _NUMBER.match(what):
        if hold or release:
            raise click.UsageError(
                say(
                    "--hold 与 --release 只用于输入，不用于金额", "--hold and --release are for inputs, not for amounts"
                )
            )
        command = Press(amount=what if keys else _amount(what), keypad=keypad)
        _do(terminal, command, f"已键入 {what}", f"typed {what}")
    elif hold or release:
        zh, en = (f"已按住 {what}", f"holding {what}") if hold else (f"已放开 {what}", f"let {what} go")
        _do(terminal, Press(input=what, active=hold), zh, en)
    else:
        _do(terminal, Press(input=what, pulse_ms=PRESS_MS), f"已按 {what}", f"pressed {what}")


def _amount(typed: str) -> str:
    """What a keypad's driver takes for an amount. Raises :class:`click.ClickException` with what would be right."""
    amount_fen = fen(typed.encode())
    if amount_fen is None:
        raise click.ClickException(
            say(
                f"{typed} 不是金额：请给出如 12.50 的数，最多两位小数",
                f"{typed} is no amount: give one like 12.50, with at most two decimals",
            )
        )
    if amount_fen > AMOUNT_MAX_FEN:
        most = AMOUNT_MAX_FEN // 100
        raise click.ClickException(say(f"{typed} 过大：最多 {most} 元", f"{typed} is too much: at most {most} yuan"))
    return typed


@virtual.command(help=say("继电器的状态与历史", "State and history of the relay"))
@terminal_option
@json_option
def relay(terminal: str, as_json: bool) -> None:
    """Show what the terminal has opened."""
    board = ask(virtual_dir(terminal) / SOCKET_NAME, Relay()).relay
    if board is not None:
        click.echo(board.model_dump_json(indent=2) if as_json else _words_of_board(board))


@virtual.command(help=say("图书馆系统：谁借了什么，做过什么", "The library's system: who has what, and what was done"))
@terminal_option
@json_option
def library(terminal: str, as_json: bool) -> None:
    """Show what the library's system knows."""
    state = ask(virtual_dir(terminal) / SOCKET_NAME, Library()).library
    if state is not None:
        click.echo(state.model_dump_json(indent=2) if as_json else _words_of_library(state))


@virtual.command(help=say("拔出设备", "Unplug a device"))
@click.argument("device", metavar=say("设备", "DEVICE"))
@terminal_option
def unplug(device: str, terminal: str) -> None:
    """Pull a plug."""
    _do(terminal, Plug(do="unplug", device=device), f"已拔出 {device}", f"unplugged {device}", "status")


@virtual.command(help=say("插回设备", "Plug a device in again"))
@click.argument("device", metavar=say("设备", "DEVICE"))
@terminal_option
def replug(device: str, terminal: str) -> None:
    """Put a plug back."""
    _do(terminal, Plug(do="replug", device=device), f"已插回 {device}", f"plugged {device} in again", "status")


@virtual.command(help=say("有哪些虚拟设备，在哪里", "Which virtual devices there are, and where"))
@terminal_option
@json_option
def status(terminal: str, as_json: bool) -> None:
    """Show names, ports and sockets."""
    state = ask(virtual_dir(terminal) / SOCKET_NAME, Status()).state
    if state is not None:
        click.echo(state.model_dump_json(indent=2) if as_json else _words_of_state(state))


def _words_of_board(board: RelayState) -> str:
    """Outputs, inputs, and the latest changes of the outputs with their age."""
    on, off = say("接通", "on"), say("断开", "off")
    lines = [say("输出：", "outputs:"), *(f"  {name}  {on if state else off}" for name, state in board.outputs.items())]
    closed, opened = say("闭合", "closed"), say("断开", "open")
    lines += [say("输入：", "inputs:"), *(f"  {name}  {closed if at else opened}" for name, at in board.inputs.items())]
    now_ns = time.monotonic_ns()
    lines.append(say(f"动作（最近 {MAX_CHANGES} 次）：", f"what it did (the latest {MAX_CHANGES}):"))
    for change in board.history[-MAX_CHANGES:]:
        ago = f"{(now_ns - change.at_ns) / 1e9:.1f}"
        lines.append(f"  {change.output}  {on if change.on else off}  " + say(f"{ago} 秒前", f"{ago} s ago"))
    return "\n".join(lines)


def _words_of_library(state: LibraryState) -> str:
    """Loans by item, and the latest moves with the dates that came with them."""
    lines = [say("在借：", "on loan:"), *(f"  {item}  {patron}" for item, patron in state.loans.items())]
    lines.append(say(f"经过（最近 {MAX_CHANGES} 次）：", f"what was asked (the latest {MAX_CHANGES}):"))
    acts = {"out": say("借出", "out"), "in": say("归还", "in"), "renew": say("续借", "renewed")}
    for move in state.moves[-MAX_CHANGES:]:
        late = say("（补登）", " (afterwards)") if move.no_block else ""
        refused = "" if move.done else say("：被拒绝", ": refused")
        lines.append(f"  {move.date}  {move.item}  {acts[move.act]}{late}{refused}")
    return "\n".join(lines)


def _words_of_state(state: BenchState) -> str:
    lines = [say(f"目录：{state.directory}", f"directory: {state.directory}")]
    lines += [say("读卡器：", "readers:"), *(f"  {name}  {where}" for name, where in state.readers.items())]
    lines += [
        say("串口与摄像头：", "serial ports and camera:"),
        *(f"  {name}  {at}" for name, at in state.ports.items()),
    ]
    return "\n".join(lines)
