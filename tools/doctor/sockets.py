"""Unix sockets at which others ask: the terminal's own, and those of its counters' software."""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Iterator
from pathlib import Path

from agent.counter_settings import CounterConfig
from agent.standing_socket import NAME
from agent.unix_peers import SomebodyListens, address_of, free_of_listeners
from agent.words import why_en
from profiles.reasons import Sentence
from tools.doctor.devices import VIRTUAL
from tools.doctor.finding import Finding, fail, ok, unknown, warn
from tools.doctor.patient import Patient
from tools.doctor.whose import whose

_MADE_BY_THE_SERVICE = Path("/run/onecard")
"""``RuntimeDirectory=``: there while the service runs, and only then."""
_NOTHING, _HIDDEN = 0, -1
_READY = "ready"
_RESTART = Sentence("重启终端：systemctl restart onecard", "restart the terminal: systemctl restart onecard")


def sockets(patient: Patient) -> Iterator[Finding]:
    """One line for the terminal's own, and one for each counter's."""
    own = patient.state_dir / NAME
    if patient.standing is not None:
        yield ok("socket", f"有应答；{whose(own).zh}", f"answers; {whose(own).en}", NAME)
    elif patient.runs:  # that it does not answer is said of the agent
        yield unknown("socket", f"没有应答；{whose(own).zh}", f"does not answer; {whose(own).en}", NAME)
    else:
        yield _waiting(patient, NAME, own)
    for lane, settings in patient.config.lanes.items():
        if settings.counter is not None:
            yield from _counter(patient, f"{lane}-software", settings.counter)


def _counter(patient: Patient, name: str, counter: CounterConfig) -> Iterator[Finding]:
    told = {} if patient.standing is None else {each.name: each for each in patient.standing.devices}
    unheard = sorted(user for user in counter.users if not _is_known(user))
    if unheard:
        said = Sentence(f"没有这些用户：{'、'.join(unheard)}", f"there are no such users: {', '.join(unheard)}")
        remedy = Sentence("改正 counter.users，或建立该用户", "mend counter.users, or make the user")
        yield warn("socket", "no-such-user", said, remedy, name)
    if patient.standing is None:
        if not patient.runs:
            yield _waiting(patient, name, counter.socket)
    elif name not in told:
        yield fail("socket", "not-reported", _silent(counter.socket), _RESTART, name)
    elif told[name].state == _READY:
        yield _served(name, counter.socket)
    else:
        yield _blocked(patient, name, counter.socket, told[name].detail)


def _served(name: str, path: Path) -> Finding:
    """The agent says that it serves there. Nobody connects to ask: it would note a stranger."""
    if _kind(path) in (stat.S_IFSOCK, _HIDDEN):
        return ok("socket", f"正常（终端报告）；{whose(path).zh}", f"serves, as the agent says; {whose(path).en}", name)
    said = Sentence("套接字已被删除，无人能连接", "the socket was removed: nobody can connect")
    return fail("socket", "not-there", said, _RESTART, name)


def _silent(path: Path) -> Sentence:
    return Sentence(f"终端还没有报告此接口；{whose(path).zh}", f"the agent has not said how it is; {whose(path).en}")


def _waiting(patient: Patient, name: str, path: Path) -> Finding:
    """Whether the terminal can make it at its start: by the place, as whoever asks may use it."""
    parent = path.parent
    if parent == _MADE_BY_THE_SERVICE and _kind(parent) != stat.S_IFDIR:
        return ok("socket", f"服务启动时建立 {parent}", f"the service makes {parent} at its start", name)
    if name == NAME and _kind(parent) != stat.S_IFDIR:
        return unknown("socket", "终端没有运行过", "the terminal never ran", name)
    if _kind(parent) == stat.S_IFDIR and os.statvfs(parent).f_flag & os.ST_RDONLY:
        return unknown("socket", "磁盘只读，无法建立；见磁盘各行", "the disk is read-only; see its own lines", name)
    if not os.access(parent, os.W_OK | os.X_OK, effective_ids=True) or _kind(path) not in (_NOTHING, stat.S_IFSOCK):
        return _blocked(patient, name, path)
    try:
        with address_of(path) as address:
            free_of_listeners(address)
    except SomebodyListens:
        return _blocked(patient, name, path, listens=True)
    except OSError as error:
        return _blocked(patient, name, path, why_en(error))
    return ok("socket", "终端启动时建立", "the terminal makes it at its start", name)


def _blocked(patient: Patient, name: str, path: Path, detail: str = "", *, listens: bool = False) -> Finding:
    """It cannot stand there; the file system says why, and else whoever tried."""
    parent = path.parent
    if _kind(parent) != stat.S_IFDIR:
        said = Sentence(f"目录 {parent} 不存在", f"the directory {parent} is not there")
        make = Sentence(f"建立目录并交给终端用户：{parent}", f"make {parent}, and give it to the terminal's user")
        remedy = VIRTUAL if patient.is_virtual(path) else make
        return fail("socket", "no-directory", said, remedy, name)
    if _kind(path) not in (_NOTHING, _HIDDEN, stat.S_IFSOCK):
        said = Sentence(f"{path} 处是别的文件；{whose(path).zh}", f"{path} is something else; {whose(path).en}")
        remedy = Sentence(f"移走该文件，或改用别的路径：{path}", f"move it away, or name another path: {path}")
        return fail("socket", "no-socket", said, remedy, name)
    if listens or _kind(path) == stat.S_IFSOCK:
        said = Sentence(f"另一个程序在此监听；{whose(path).zh}", f"another program serves there; {whose(path).en}")
        remedy = Sentence(f"找出该程序并停止：ss -xlp src {path}", f"find it and stop it: ss -xlp src {path}")
        return fail("socket", "busy", said, remedy, name)
    said = Sentence(
        f"终端用户不能在 {parent} 建立套接字；{whose(parent).zh}",
        f"the terminal's user cannot make it in {parent}; {whose(parent).en}",
    )
    if detail:
        said = Sentence(f"{said.zh}（{detail}）", f"{said.en} ({detail})")
    remedy = Sentence(f"把目录交给终端用户：chown onecard {parent}", f"give it to the terminal: chown onecard {parent}")
    return fail("socket", "denied", said, remedy, name)


def _kind(path: Path) -> int:
    """What stands there, as stat(2) tells kinds apart."""
    try:
        return stat.S_IFMT(path.stat().st_mode)
    except PermissionError:
        return _HIDDEN
    except OSError:
        return _NOTHING


def _is_known(user: str) -> bool:
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True
