# SPDX-License-Identifier: Apache-2.0
"""A network between a client and a server that can be cut and that can swallow everything."""

from __future__ import annotations

import select
import socket
import struct
import threading
from typing import Self

#: Closing then sends a reset instead of the rest and a farewell.
_NO_LINGERING = struct.pack("ii", 1, 0)
_SECONDS = 0.01


class Proxy:
    """Passes connections at `port` on to the port *server* of this machine. A context manager."""

    def __init__(self, server: int) -> None:
        self._server = server
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        #: Each socket → the one at the other end.
        self._other: dict[socket.socket, socket.socket] = {}
        self._ended, self._cut, self._frozen = (threading.Event() for _ in range(3))
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._ended.set()
        self._thread.join()
        self._reset_all()
        self._listening.close()

    def reset(self) -> None:
        """End every connection with a TCP reset, as a firewall does that lost its memory."""
        self._cut.set()

    def freeze(self) -> None:
        """Pass nothing on and say nothing, as a network does that swallows packets."""
        self._frozen.set()

    def thaw(self) -> None:
        """Pass on what was kept, and all that comes."""
        self._frozen.clear()

    def _serve(self) -> None:
        while not self._ended.is_set():
            if self._cut.is_set():
                self._reset_all()
                self._cut.clear()
            if self._frozen.is_set():
                self._ended.wait(_SECONDS)
                continue
            ready, _, _ = select.select([self._listening, *self._other], [], [], _SECONDS)
            for each in ready:
                if each is self._listening:
                    self._accept()
                elif each in self._other:  # the other end may have ended it in this round
                    self._pass_on(each)

    def _accept(self) -> None:
        client = self._listening.accept()[0]
        try:
            server = socket.create_connection(("127.0.0.1", self._server))
        except OSError:
            client.close()
            return
        for each in (client, server):
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
        self._other |= {client: server, server: client}

    def _pass_on(self, each: socket.socket) -> None:
        other = self._other[each]
        try:
            data = each.recv(1 << 16)
            other.sendall(data)
        except OSError:
            data = b""
        if not data:
            for ended in (each, other):
                del self._other[ended]
                ended.close()

    def _reset_all(self) -> None:
        for each in self._other:
            each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGERING)
            each.close()
        self._other.clear()
