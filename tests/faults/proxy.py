"""A line between terminal and broker that does what lines do: stall, lag, end, and carry less than is put into it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_PIECE_BYTES = 16_384
_ON_THE_WAY = 1_024


class Proxy:
    """Forwards TCP connections to a port of the loopback. What it does wrong is set while it runs."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = 0
        self.delay_s = 0.0
        """Everything arrives so much later, in each direction."""
        self.deaf = False
        """What comes from the terminal disappears, though the connection stands: half-open."""
        self.mute = False
        """What comes from the broker disappears."""
        self.taken = 0
        """How many connections there ever were."""
        self.carried_bytes = 0
        """From the terminal to the broker."""
        self._writers: set[asyncio.StreamWriter] = set()
        self._serving: set[asyncio.Task[None]] = set()

    @property
    def stands(self) -> bool:
        """Whether anything is connected, or still under way from one end that has closed to the other."""
        return bool(self._serving)

    def cut(self) -> None:
        """End every connection at once."""
        for writer in self._writers:
            writer.transport.abort()

    async def end(self) -> None:
        """End, and wait until all is over."""
        self.cut()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        self.taken += 1
        task = asyncio.create_task(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
            self._writers |= {writer, far_writer}
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._carry(reader, far_writer, up=True))
                    group.create_task(self._carry(far_reader, writer, up=False))
            finally:
                self._writers -= {writer, far_writer}
                far_writer.transport.abort()
        writer.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, up: bool) -> None:
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_ON_THE_WAY)
        async with asyncio.TaskGroup() as group:
            arriving = group.create_task(self._arrive(under_way, writer))
            with contextlib.suppress(OSError):
                while piece := await reader.read(_PIECE_BYTES):
                    if self.deaf if up else self.mute:
                        continue
                    self.carried_bytes += len(piece) if up else 0
                    await under_way.put((asyncio.get_running_loop().time() + self.delay_s, piece))
            await under_way.put((0.0, b""))
            await arriving

    async def _arrive(self, under_way: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while True:
                due_s, piece = await under_way.get()
                await asyncio.sleep(max(0.0, due_s - asyncio.get_running_loop().time()))
                if not piece:
                    break
                writer.write(piece)
                await writer.drain()
        writer.close()


@asynccontextmanager
async def proxy_to(port: int) -> AsyncIterator[Proxy]:
    """A proxy on a free port of the loopback, until the block ends."""
    async with served(Proxy(port)) as proxy:
        yield proxy


@asynccontextmanager
async def served(proxy: Proxy) -> AsyncIterator[Proxy]:
    """The same with a proxy that is made already."""
    server = await asyncio.start_server(proxy.take, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    async with server:
        try:
            yield proxy
        finally:
            await proxy.end()
