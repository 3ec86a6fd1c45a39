"""Where the library's own system is, and how it wants to be spoken to: the section ``library`` of the configuration."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic_core import PydanticCustomError

from agent.sip2.errors import Sip2Error, Sip2Fault

MAX_FILE_BYTES = 1_024


class LibraryConfig(BaseModel):
    """The SIP2 server. The protocol encrypts and proves nothing by itself: TLS does, as a stunnel speaks it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    address: str = Field(min_length=1, max_length=255, description="HOST:PORT, or the path of a file that holds it")
    user: str | None = Field(default=None, max_length=64, description="login (93); null: the system wants none")
    password_file: Path | None = Field(default=None, description="the login's password, one line")
    tls_ca: Path | None = Field(
        default=None, description="certificates of who may vouch for the server (PEM): TLS; null: plain SIP2"
    )
    institution: str = Field(default="", max_length=64, description="institution id (AO), as the system knows it")
    location: str = Field(default="", max_length=64, description="this terminal's place (CP, AP)")
    encoding: Literal["utf-8", "gbk", "gb18030", "latin-1", "cp850"] = "utf-8"
    error_detection: bool = Field(default=True, description="sequence numbers and checksums, sent and demanded")
    deadline_ms: int = Field(default=5_000, ge=200, le=60_000, description="for logging in and for what is told later")
    status_s: int = Field(default=60, ge=5, le=3_600, description="how often the system is asked whether it works")
    currency: str = Field(default="CNY", pattern=r"^[A-Z]{3}$", description="in which fines are counted")

    @field_validator("address")
    @classmethod
    def has_a_port(cls, value: str) -> str:
        """Anything without a slash must be HOST:PORT."""
        if "/" not in value and "${" not in value and _host_and_port(value) is None:
            raise PydanticCustomError(
                "said",
                "{en}",
                {"zh": "应为 主机:端口，如 127.0.0.1:6001", "en": "should be HOST:PORT, such as 127.0.0.1:6001"},
            )
        return value

    def placed(self, place: Callable[[str], str]) -> LibraryConfig:
        """The same, with the terminal's own directories put into its paths."""
        files = {"password_file": self.password_file, "tls_ca": self.tls_ca}
        placed = {key: None if file is None else Path(place(str(file))) for key, file in files.items()}
        return self.model_copy(update={"address": place(self.address), **placed})

    def place(self) -> tuple[str, int]:
        """Host and port as they are now. Raises :class:`Sip2Error`."""
        text = self.address if "/" not in self.address else _line_of(Path(self.address))
        found = _host_and_port(text)
        if found is None:
            raise Sip2Error(Sip2Fault.UNREACHABLE, "HOST:PORT?")
        return found

    def tls(self) -> ssl.SSLContext | None:
        """What proves the server's name by its certificate; ``None`` without TLS. Raises :class:`Sip2Error`."""
        if self.tls_ca is None:
            return None
        try:
            context = ssl.create_default_context(cafile=self.tls_ca)
        except OSError as error:  # of SSL too: a file that holds no certificate
            raise Sip2Error(Sip2Fault.UNREACHABLE, f"{self.tls_ca.name}: {type(error).__name__}") from None
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return context

    def password(self) -> str:
        """The login's password. Raises :class:`Sip2Error`."""
        return "" if self.password_file is None else _line_of(self.password_file)


def _host_and_port(text: str) -> tuple[str, int] | None:
    host, colon, port = text.rpartition(":")
    if not (host and colon and port.isascii() and port.isdigit() and 0 < int(port) < 65_536):
        return None
    return host.strip("[]"), int(port)


def _line_of(path: Path) -> str:
    try:
        with path.open(encoding="utf-8") as file:
            return file.read(MAX_FILE_BYTES).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Sip2Error(Sip2Fault.UNREACHABLE, f"{path.name}: {type(error).__name__}") from None
