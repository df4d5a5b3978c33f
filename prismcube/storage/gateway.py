"""A proxy within the process, by which strangers' URLs are fetched: it connects to allowed addresses only.

    obstore ─ http://127.0.0.1:port ─ Gateway ─ the address that was judged

To judge a URL before it is fetched is not enough: its host may send the client on to another, and its name may mean
another address a moment later. Here each connection is judged by the very address that it is made to.

It speaks what HTTP clients speak to a proxy (RFC 9112, 3.2.2; RFC 9110, 9.3.6): CONNECT for https, and for http one
request a connection, without a body.
"""

from __future__ import annotations

import asyncio
import re
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import urlsplit

LARGEST_HEAD = 65_536
CONNECT_SECONDS = 5
IDLE_SECONDS = 60
PIECE = 1 << 18

_CONNECT = re.compile(r"CONNECT (?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):(?P<port>[0-9]{1,5}) HTTP/1\.[01]")
_PLAIN = re.compile(r"(?P<method>GET|HEAD) (?P<url>http://\S+) HTTP/1\.[01]")
_OF_PROXY = ("proxy-", "connection:", "keep-alive:")
"""Begins of headers that are for the proxy alone."""


class Gateway:
    """One a process, started with it; its thread ends with the process."""

    def __init__(self, allows: Callable[[str], bool]) -> None:
        """`allows` judges an IP address."""
        self._allows = allows
        self._loop = asyncio.new_event_loop()
        self._port = 0
        self._ready = threading.Event()
        threading.Thread(target=self._run, name="gateway", daemon=True).start()
        self._ready.wait()

    @property
    def url(self) -> str:
        """What clients are told as their proxy."""
        return f"http://127.0.0.1:{self._port}"

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0, limit=LARGEST_HEAD))
        self._port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(IDLE_SECONDS):
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            await self._answer(head, reader, writer)
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # either side has gone, or sends what is no request: the connection ends
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _answer(self, head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line, *headers = head.removesuffix("\r\n\r\n").split("\r\n")
        if connect := _CONNECT.fullmatch(line):
            host, port, sent = connect["host"].strip("[]"), int(connect["port"]), b""
        elif plain := _PLAIN.fullmatch(line):
            parts = urlsplit(plain["url"])
            host, port = parts.hostname or "", parts.port or 80
            target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
            kept = [one for one in headers if not one.lower().startswith(_OF_PROXY)]
            lines = [f"{plain['method']} {target} HTTP/1.1", *kept, "Connection: close", "", ""]
            sent = "\r\n".join(lines).encode("latin-1")
        else:
            await _refuse(writer, "400 Bad Request")
            return
        try:
            there, out = await self._connected(host, port)
        except PermissionError:
            await _refuse(writer, "403 Forbidden")
            return
        except (OSError, TimeoutError, ValueError):
            await _refuse(writer, "502 Bad Gateway")
            return
        try:
            out.write(sent)
            if not sent:
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await _relay(reader, out, there, writer)
        finally:
            out.close()

    async def _connected(self, host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to the first address of a host; PermissionError when one of them is not allowed."""
        found = await self._loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = list(dict.fromkeys(str(one[4][0]) for one in found))
        if not addresses or not all(map(self._allows, addresses)):
            raise PermissionError
        error: Exception = OSError("no address")
        for address in addresses:
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    return await asyncio.open_connection(address, port)
            except (OSError, TimeoutError) as failed:
                error = failed
        raise error


async def _relay(
    reader: asyncio.StreamReader, out: asyncio.StreamWriter, there: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Both ways, until the far side ends, or nothing comes for long."""
    onward = asyncio.ensure_future(_copy(reader, out))
    try:
        await _copy(there, writer)
    finally:
        onward.cancel()
        with suppress(asyncio.CancelledError, OSError, TimeoutError):
            await onward


async def _copy(source: asyncio.StreamReader, into: asyncio.StreamWriter) -> None:
    while True:
        async with asyncio.timeout(IDLE_SECONDS):
            piece = await source.read(PIECE)
        if not piece:
            return
        into.write(piece)
        await into.drain()


async def _refuse(writer: asyncio.StreamWriter, status: str) -> None:
    writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
    await writer.drain()
