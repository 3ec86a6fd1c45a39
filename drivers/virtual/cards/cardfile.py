"""Card files: YAML that says what a virtual card holds and how it behaves."""

from __future__ import annotations

import errno
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from pydantic import Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from drivers.api import DriverSettings, Interface
from drivers.virtual.api import CardProgram
from drivers.virtual.cards.behaviour import Behaviour, behave
from drivers.virtual.cards.chip import Chip
from drivers.virtual.cards.kinds import Hex
from drivers.virtual.cards.pboc import PbocFile
from drivers.virtual.cards.social_security import SocialSecurityFile
from drivers.virtual.cards.tunion import TUnionFile
from drivers.virtual.cards.wording import words_of

FILE_MAX_BYTES = 65_536
_READY_MADE = files("drivers.virtual.cards.files")

Application = Annotated[SocialSecurityFile | TUnionFile | PbocFile, Field(discriminator="kind")]


class CardFileError(ValueError):
    """A card file that cannot be used: ``zh`` and ``en`` name the file, the key and what would be right."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(en)
        self.zh = zh
        self.en = en


class CardFile(DriverSettings):
    """What a card file says. ``historical`` are the historical bytes of the answer to reset."""

    title: str = Field(max_length=200)
    interface: Interface = Interface.CONTACT
    protocol: Literal["T=0", "T=1"] = "T=1"
    historical: Annotated[Hex, Field(min_length=2, max_length=30)] = "4F4E4543415244"
    applications: Annotated[tuple[Application, ...], Field(max_length=4)] = ()
    behaviour: Behaviour = Behaviour()

    @model_validator(mode="after")
    def _protocol_of_the_field(self) -> Self:
        if self.interface is Interface.CONTACTLESS and self.protocol == "T=0":
            raise PydanticCustomError(
                "said", "{en}", {"zh": "T=0 只用于接触式", "en": "T=0 is spoken over contacts only"}
            )
        return self

    def program(self) -> CardProgram:
        """A fresh card."""
        chip = Chip(
            [applet for application in self.applications for applet in application.applets()],
            bytes.fromhex(self.historical),
            contactless=self.interface is Interface.CONTACTLESS,
            t0=self.protocol == "T=0",
        )
        return behave(chip, self.behaviour)


def ready_made() -> tuple[str, ...]:
    """The names of the card files that come with the product, sorted."""
    return tuple(sorted(Path(entry.name).stem for entry in _READY_MADE.iterdir() if entry.name.endswith(".yaml")))


def read_card_file(source: str | Path) -> CardFile:
    """Read a card file by path, or a ready-made one by its bare name. Raises :class:`CardFileError`."""
    name = str(source)
    if name in ready_made():
        return _parse(name, _READY_MADE / f"{name}.yaml")
    path = Path(source)
    if not path.is_file():
        known = ready_made()
        raise CardFileError(
            f"{name}：没有这个文件，也不是现成的卡（{'、'.join(known)}）",
            f"{name}: no such file, and not one of {', '.join(known)}",
        )
    return _parse(name, path)


def load_card_file(
    source: str | Path, *, interface: Interface | None = None, behaviour: Behaviour | None = None
) -> CardProgram:
    """The card of a file, by path or bare name; ``interface`` and ``behaviour`` replace what the file says.

    Raises :class:`CardFileError`.
    """
    card = read_card_file(source)
    changes: dict[str, object] = {}
    if interface is not None:
        changes |= {"interface": interface, "protocol": "T=1"}
    if behaviour is not None:
        changes["behaviour"] = behaviour
    return card.model_copy(update=changes).program()


def _parse(name: str, path: Traversable) -> CardFile:
    try:
        with path.open("rb") as stream:
            raw = stream.read(FILE_MAX_BYTES + 1)
    except OSError as error:
        raise CardFileError(
            f"{name}：无法读取（{errno.errorcode.get(error.errno or 0, type(error).__name__)}）",
            f"{name}: cannot be read: {error.strerror}",
        ) from error
    if len(raw) > FILE_MAX_BYTES:
        raise CardFileError(f"{name}：超过 {FILE_MAX_BYTES} 字节", f"{name}: longer than {FILE_MAX_BYTES} bytes")
    try:
        document = yaml.safe_load(raw)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise CardFileError(f"{name}：不是 YAML 文本{_line_zh(error)}", f"{name}: not YAML{_line_en(error)}") from error
    try:
        return CardFile.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        zh, en = words_of(first)
        raise CardFileError(f"{name}：{key or '整个文件'}：{zh}", f"{name}: {key or 'the whole file'}: {en}") from error


def _line_zh(error: Exception) -> str:
    line = _line(error)
    return "" if line is None else f"（第 {line} 行）"


def _line_en(error: Exception) -> str:
    line = _line(error)
    return "" if line is None else f" (line {line})"


def _line(error: Exception) -> int | None:
    mark = error.problem_mark if isinstance(error, yaml.MarkedYAMLError) else None
    return None if mark is None else mark.line + 1
