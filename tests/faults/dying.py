"""A tracking server that dies in the middle: a proxy before a real one, which from one request on does no more.

with Dying("http://127.0.0.1:5000", after=7, how="hang") as server:
    ...                                     # server.address answers six requests
    server.asked                            # how many came
"""

from __future__ import annotations

import http.client
import socket
import struct
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

WAYS = ("refuse", "reset", "hang", "500", "garbage", "drip head", "drip body", "endless", "redirect", "stranger")
_OF_ONE_HOP = {"connection", "transfer-encoding", "keep-alive", "host"}


class Dying:
    """The proxy.

    Args:
        behind: address of the real server.
        after: the request from which on nothing is answered any more; None: never.
        how: one of :data:`WAYS`.
    """

    def __init__(self, behind: str, after: int | None = None, how: str = "refuse") -> None:
        self.asked = 0
        self._behind, self._after, self._how = urlsplit(behind), after, how
        self._over = threading.Event()
        self._counting = threading.Lock()

    def __enter__(self) -> Self:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one_request(self) -> None:
                with suppress(ConnectionError, ValueError):
                    super().handle_one_request()
                    return
                self.close_connection = True

            def log_message(self, *words: Any) -> None:
                pass

            def _any(self) -> None:
                proxy._handle(self)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _any  # noqa: N815

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._server.shutdown()
        self._thread.join()
        self._server.socket.close()

    def _handle(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        with self._counting:
            self.asked += 1
            dead = self._after is not None and self.asked >= self._after
        if dead:
            self._die(request)
        else:
            self._pass_on(request, body)

    def _pass_on(self, request: BaseHTTPRequestHandler, body: bytes) -> None:
        connection = http.client.HTTPConnection(str(self._behind.hostname), self._behind.port, timeout=60)
        headers = {k: v for k, v in request.headers.items() if k.lower() not in _OF_ONE_HOP}
        connection.request(request.command, request.path, body, headers)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        self._answer(request, answer.status, content, answer.getheader("Content-Type") or "application/json")

    def _answer(self, request: BaseHTTPRequestHandler, status: int, content: bytes, kind: str) -> None:
        request.send_response(status)
        request.send_header("Content-Type", kind)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content)

    def _never_end(self, connection: socket.socket) -> None:
        """A byte a second, in the head or behind it, or bytes for ever."""
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
        if self._how != "drip head":
            connection.sendall(head + b"\r\n")
        with suppress(OSError):
            while self._how == "endless" and not self._over.is_set():
                connection.sendall(b" " * (1 << 20))
            for byte in head + b"X-Long: " + b"y" * 600:
                if self._over.wait(1):
                    return
                connection.sendall(bytes([byte]) if self._how == "drip head" else b" ")

    def _die(self, request: BaseHTTPRequestHandler) -> None:
        request.close_connection = True
        if self._how == "hang":
            self._over.wait()
        elif self._how in ("drip head", "drip body", "endless"):
            self._never_end(request.connection)
        elif self._how == "redirect" and request.path == "/elsewhere":
            self._answer(request, 200, b"{}", "application/json")
        elif self._how == "redirect":
            request.send_response(302)
            request.send_header("Location", f"{self.address}/elsewhere")
            request.send_header("Content-Length", "0")
            request.end_headers()
        elif self._how == "stranger":  # a page that answers so to everything
            self._answer(request, 200, b"{}", "application/json")
        elif self._how == "500":
            self._answer(request, 500, b"Internal Server Error", "text/plain")
        elif self._how == "garbage":
            self._answer(request, 200, b"\x00\xff<html>not what was asked for", "application/json")
        else:
            if self._how == "refuse":
                self._server.socket.close()  # who comes now finds nobody
            # No polite end: what is sent to it meets a reset.
            request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            request.connection.close()
