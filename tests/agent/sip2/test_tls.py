"""SIP2 within TLS, as a stunnel before the library's system has it: the server proves its name, or is not spoken to."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from agent.sip2.errors import Sip2Error, Sip2Fault
from agent.sip2.settings import LibraryConfig
from agent.sip2.system import LibrarySystem
from drivers.virtual.library import VirtualLibrary
from profiles.loans import Account, OpenPatron
from tests.agent.sip2.test_upload import AT_MS, CHINA, LI
from tools.platform.ca import Authority

WAIT_S = 20.0


@pytest.fixture
def library(tmp_path: Path) -> Iterator[VirtualLibrary]:
    library = VirtualLibrary(tmp_path / "sip2.address")
    library.plug()
    yield library
    library.unplug()


@asynccontextmanager
async def tunnel(library: VirtualLibrary, authority: Authority) -> AsyncIterator[int]:
    """Its port. TLS on one side, plain SIP2 to the library on the other."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.server.certificate, authority.server.key)

    async def pipe(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(4096):
                sink.write(data)
                await sink.drain()
        sink.close()
        with contextlib.suppress(OSError):
            await sink.wait_closed()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind_reader, behind_writer = await asyncio.open_connection("127.0.0.1", library.port)
        serving.append(asyncio.gather(pipe(reader, behind_writer), pipe(behind_reader, writer)))
        await serving[-1]

    serving: list[asyncio.Future[tuple[None, None]]] = []
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await asyncio.wait_for(asyncio.gather(*serving), WAIT_S)


def settings(host: str, port: int, ca: Path | None) -> LibraryConfig:
    return LibraryConfig(address=f"{host}:{port}", tls_ca=ca)


async def test_the_system_is_spoken_to_within_tls_where_its_certificate_proves_its_name(
    tmp_path: Path, library: VirtualLibrary
) -> None:
    authority = Authority.init(tmp_path / "keys")
    async with tunnel(library, authority) as port:
        system = await LibrarySystem.open(settings("localhost", port, authority.ca.certificate), CHINA)
        ends_s = asyncio.get_running_loop().time() + 20
        assert isinstance(await system.answer(OpenPatron(LI), AT_MS, ends_s), Account)
        system.close()
        await system.wait_closed()


async def test_another_authority_another_name_or_no_tls_at_all_is_nobody(
    tmp_path: Path, library: VirtualLibrary
) -> None:
    authority, other = (Authority.init(tmp_path / name) for name in ("keys", "other"))
    (tmp_path / "empty.pem").write_text("")
    async with tunnel(library, authority) as port:
        wrong = [
            settings("localhost", port, other.ca.certificate),
            settings("127.0.0.2", port, authority.ca.certificate),
            settings("localhost", library.port, authority.ca.certificate),
            settings("localhost", port, tmp_path / "empty.pem"),
            settings("localhost", port, tmp_path / "missing.pem"),
        ]
        for each in wrong:
            with pytest.raises(Sip2Error) as raised:
                await LibrarySystem.open(each.model_copy(update={"deadline_ms": 2_000}), CHINA)
            assert raised.value.fault is Sip2Fault.UNREACHABLE
    assert library.shelves.patrons == {}
