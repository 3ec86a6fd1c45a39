"""The files of ``onecard code``: private keys of phones and issuers, and an issuer's row as terminals know it.

All are JSON with mode 0600: a row holds the reading key, which opens what the mask hides.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, ClassVar, TypeVar

import click
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, ValidationError

from agent.credentials.trust import TrustRow
from agent.problems import problems_of
from agent.signatures import Algorithm, PrivateKey, load_private, load_public
from agent.words import say, why_en, why_zh
from profiles.purpose import Purpose
from profiles.reasons import Sentence
from tools.citizen_code import IssuingKey

_MAX_FILE_BYTES = 65_536


def _from_hex(value: object) -> object:
    return bytes.fromhex(value) if isinstance(value, str) else value


def _from_name(value: object) -> object:
    names = {algorithm.name.lower(): algorithm for algorithm in Algorithm}
    return names.get(value, value) if isinstance(value, str) else value


_Hex = Annotated[bytes, BeforeValidator(_from_hex), PlainSerializer(bytes.hex), Field(repr=False)]
_Algorithm = Annotated[Algorithm, BeforeValidator(_from_name), PlainSerializer(lambda value: value.name.lower())]
_U16 = Annotated[int, Field(ge=0, le=0xFFFF)]
_U32 = Annotated[int, Field(ge=0, le=0xFFFF_FFFF)]


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    what: ClassVar[Sentence]


class PhoneKeyFile(_File):
    """What a phone keeps."""

    what = Sentence("手机密钥文件", "a phone's key")

    algorithm: _Algorithm
    private: _Hex

    def key(self) -> PrivateKey:
        """The key. Raises :class:`agent.signatures.KeyInvalid`."""
        return load_private(self.algorithm, self.private)


class RowFile(_File):
    """A row of the trust list: see :class:`agent.credentials.trust.TrustRow`."""

    what = Sentence("信任列表的行", "a row of the trust list")

    issuer: _U16
    kid: _U16
    algorithm: _Algorithm
    public: _Hex
    valid_from_ms: int
    valid_until_ms: int
    namespace: str = Field(min_length=1, max_length=64)
    entitlements: _U32
    purposes: frozenset[Purpose]
    max_ttl_hours: _U16
    static_allowed: bool
    reading_key: _Hex
    sites: frozenset[str] = frozenset()

    def row(self) -> TrustRow:
        """The row. Raises :class:`agent.signatures.KeyInvalid`."""
        said = {
            name: getattr(self, name) for name in self.__class__.model_fields if name not in ("algorithm", "public")
        }
        return TrustRow(key=load_public(self.algorithm, self.public), **said)


class IssuerKeyFile(_File):
    """What an issuer keeps."""

    what = Sentence("签发者密钥文件", "an issuer's key")

    private: _Hex
    row: RowFile

    def key(self) -> IssuingKey:
        """The key. Raises :class:`agent.signatures.KeyInvalid`."""
        private = load_private(self.row.algorithm, self.private)
        return IssuingKey(self.row.issuer, self.row.kid, self.row.namespace, private, self.row.reading_key)


_F = TypeVar("_F", bound=_File)


def read(path: Path, model: type[_F]) -> _F:
    """A file of one kind; what is wrong with it becomes one sentence, which quotes no key."""
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_FILE_BYTES)
        return model.model_validate_json(content)
    except OSError as error:
        raise click.ClickException(
            say(f"{path}：无法读取（{why_zh(error)}）", f"{path}: cannot be read ({why_en(error)})")
        ) from error
    except ValidationError as error:
        other = _kind_of(content)
        if other is not None or error.errors()[0]["type"] == "json_invalid":
            found = other.what if other else Sentence("不是 JSON 文件", "no JSON file")
            raise click.ClickException(
                say(
                    f"{path}：这里需要{model.what.zh}，而这是{found.zh}"
                    if other
                    else f"{path}：{found.zh}，这里需要{model.what.zh}",
                    f"{path}: this is {found.en}; {model.what.en} is wanted here",
                )
            ) from None
        problems = "\n".join(f"{path}: {problem}" for problem in problems_of(error, model))
        raise click.ClickException(problems) from None


def _kind_of(content: bytes) -> type[_File] | None:
    """Which of the kinds a content is, if it is one."""
    for kind in (PhoneKeyFile, RowFile, IssuerKeyFile):
        try:
            kind.model_validate_json(content)
        except ValidationError:
            continue
        return kind
    return None


def write(path: Path, content: _File) -> None:
    """A new file that only its owner can read; one that exists stays as it is."""
    write_bytes(path, (content.model_dump_json(indent=2) + "\n").encode())


def write_bytes(path: Path, content: bytes) -> None:
    """The same for what has a form of its own."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise click.ClickException(say(f"{path} 已存在，不会覆盖", f"{path} exists already and stays")) from None
    except OSError as error:
        raise click.ClickException(
            say(f"{path}：无法写入（{why_zh(error)}）", f"{path}: cannot be written ({why_en(error)})")
        ) from error
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
