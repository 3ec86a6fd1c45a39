"""Cameras that no agent holds: whether there is light, and whether the picture is sharp."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator

from drivers.api import ReaderError
from drivers.camera import Camera, CameraSettings
from profiles.reasons import Sentence
from tools.doctor.devices import REMEDIES
from tools.doctor.finding import Finding, fail, ok, unknown, warn
from tools.doctor.patient import Patient

_PICTURES = 5
_PATIENCE_S = 2.0


def cameras(patient: Patient) -> Iterator[Finding]:
    """Two lines a camera: light and sharpness."""
    for name, settings in patient.used_devices.items():
        if not isinstance(settings, CameraSettings):
            continue
        if patient.runs:
            said = (
                "终端占用着摄像头；停止终端后可测光线和清晰度",
                "the agent holds it: stop it to measure light and focus",
            )
            yield unknown("camera.light", *said, name)
        else:
            yield from _look(name, settings)


def _look(name: str, settings: CameraSettings) -> Iterator[Finding]:
    from drivers.vision.clarity import Clarity, clarity

    camera = Camera(name, settings)
    seen: list[Clarity] = []
    until_s = time.monotonic() + _PATIENCE_S
    try:
        camera.open()
        while len(seen) < _PICTURES and time.monotonic() < until_s:
            picture = camera.picture(until_s - time.monotonic())
            if picture is not None:
                seen.append(clarity(picture))
    except ReaderError as error:
        if not seen:
            detail = error.detail
            said = Sentence(f"{error.fault.zh}（{detail}）", f"{error.fault.en} ({detail})")
            yield fail("camera", error.fault.code, said, REMEDIES[error.fault], name)
            return
    finally:
        camera.close()
    if not seen:
        said = Sentence("摄像头没有给出画面", "the camera gives no picture")
        remedy = Sentence("给摄像头断电再上电", "switch the camera off and on again")
        yield fail("camera", "no-picture", said, remedy, name)
        return
    yield ok("camera", f"给出画面（{len(seen)} 帧）", f"gives pictures ({len(seen)})", name)
    yield _light(name, statistics.median(each.level for each in seen))
    ratios = [each.ratio for each in seen if each.ratio is not None]
    yield _sharpness(name, statistics.median(ratios) if ratios else None)


def _light(name: str, level: float) -> Finding:
    from drivers.vision.clarity import Clarity

    now = Clarity(level, None)
    if now.is_dark:
        said = Sentence(f"画面太暗（亮度 {level:.0f}/255）", f"the picture is dark (level {level:.0f} of 255)")
        remedy = Sentence("揭开镜头盖，擦净镜头，或加补光灯", "uncover and wipe the lens, or give it a lamp")
        return warn("camera.light", "dark", said, remedy, name)
    if now.is_bright:
        said = Sentence(f"画面过亮（亮度 {level:.0f}/255）", f"the picture is glaring (level {level:.0f} of 255)")
        remedy = Sentence("避开逆光，或减小 exposure", "turn it away from the light, or lower `exposure`")
        return warn("camera.light", "bright", said, remedy, name)
    return ok("camera.light", f"光线合适（亮度 {level:.0f}/255）", f"light enough (level {level:.0f} of 255)", name)


def _sharpness(name: str, ratio: float | None) -> Finding:
    from drivers.vision.clarity import Clarity

    if ratio is None:
        said = (
            "画面中没有可供判断的轮廓；请放一张印刷品再试",
            "nothing in view has edges: hold a printed page up and try again",
        )
        return unknown("camera.sharpness", *said, name)
    if Clarity(128.0, ratio).is_blurred:
        said_of_it = Sentence(f"画面模糊（{ratio:.1f}）", f"the picture is blurred ({ratio:.1f})")
        remedy = Sentence("擦净镜头，调整距离或焦距（focus）", "wipe the lens, then set its distance or `focus`")
        return warn("camera.sharpness", "blurred", said_of_it, remedy, name)
    return ok("camera.sharpness", f"画面清晰（{ratio:.1f}）", f"the picture is sharp ({ratio:.1f})", name)
