"""A test code, held up before every camera and scanner that no agent holds: does what was drawn arrive?"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotInTime
from typing import Any, cast

from drivers.api import CodeHint, CodeReading, ReaderError, ReaderFault, Source
from drivers.camera import CameraSettings
from drivers.registry import driver
from drivers.scanner import ScannerSettings
from profiles.reasons import Sentence
from tools.doctor.devices import REMEDIES, driver_bug
from tools.doctor.finding import Finding, fail, ok, unknown
from tools.doctor.patient import Patient

_PREFIX = "ONECARD-TEST-"
_SLICE_S = 0.5
_ENDS_S = 2.0
_NEARER = Sentence(
    "调整距离，调亮屏幕，擦净镜头；再看光线和清晰度两行",
    "change the distance, turn the screen brighter, wipe the lens; see the lines about light and sharpness",
)


def new_code() -> str:
    """A text that no phone shows and no terminal takes for a credential."""
    return _PREFIX + secrets.token_hex(4).upper()


def readers(patient: Patient) -> Mapping[str, CameraSettings | ScannerSettings]:
    """What can read a code."""
    return {
        name: settings
        for name, settings in patient.used_devices.items()
        if isinstance(settings, CameraSettings | ScannerSettings)
    }


def wait_for(patient: Patient, code: str, wait_s: float) -> list[Finding]:
    """Wait at all of them at once until each has read the code, or the time is up."""
    waiting: dict[str, Future[Finding]] = {}
    for name, settings in readers(patient).items():
        if patient.runs:
            said = ("终端占用着此设备；停止终端后可测试", "the agent holds it: stop it to try a test code")
            waiting[name] = Future()
            waiting[name].set_result(unknown("code", *said, name))
            continue
        source = cast("Any", driver(patient.config.devices[name].driver))(name, settings)
        waiting[name] = Future()
        arguments = (source, code, wait_s, waiting[name])
        threading.Thread(target=_wait, args=arguments, name=f"code {name}", daemon=True).start()
    ends_s = time.monotonic() + wait_s + _ENDS_S + _SLICE_S
    return [_answer(name, answer, ends_s - time.monotonic()) for name, answer in waiting.items()]


def _answer(name: str, answer: Future[Finding], wait_s: float) -> Finding:
    try:
        return answer.result(max(0.0, wait_s))
    except NotInTime:
        said = Sentence("设备没有在限时内应答", "the device did not answer in time")
        return fail("code", "hangs", said, REMEDIES[ReaderFault.SILENT], name)


def _wait(source: Source, code: str, wait_s: float, answer: Future[Finding]) -> None:
    """Whatever the driver does, there is an answer; it is given last, so that the port is free by then."""
    try:
        found = _tried(source, code, wait_s)
    except Exception as error:  # noqa: BLE001 -- as the supervisor of devices: a driver's bug is a finding
        found = driver_bug("code", source.name, error)
    answer.set_result(found)


def _tried(source: Source, code: str, wait_s: float) -> Finding:
    try:
        source.open()
        return _read(source, code, wait_s)
    except ReaderError as error:
        said = Sentence(f"{error.fault.zh}（{error.detail}）", f"{error.fault.en} ({error.detail})")
        return fail("code", error.fault.code, said, REMEDIES[error.fault], source.name)
    finally:
        source.close()


def _read(source: Source, code: str, wait_s: float) -> Finding:
    started_s = time.monotonic()
    hint, others = "", 0
    while (left_s := started_s + wait_s - time.monotonic()) > 0:
        reading = source.read(min(left_s, _SLICE_S))
        if isinstance(reading, CodeReading) and reading.text == code:
            took_s = time.monotonic() - started_s
            return ok(
                "code", f"已读出测试码（{took_s:.1f} 秒）", f"read the test code after {took_s:.1f} s", source.name
            )
        others += isinstance(reading, CodeReading)
        hint = reading.problem.value if isinstance(reading, CodeHint) else hint
    zh, en = (f"，{hint}", f", {hint}") if hint else ("", "")
    said = Sentence(
        f"{wait_s:.0f} 秒内没有读到测试码（读到其他码 {others} 个{zh}）",
        f"did not read the test code within {wait_s:.0f} s (other codes: {others}{en})",
    )
    return fail("code", "not-read", said, _NEARER, source.name)
