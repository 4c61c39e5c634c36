# SPDX-License-Identifier: Apache-2.0
"""Collectors that are away, silent, slow or wrong, each on a port of its own."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

from tests.otlp_sink import Sink
from tests.programs import free_port


@contextlib.contextmanager
def refused() -> Iterator[str]:
    """Nothing listens there."""
    yield f"http://127.0.0.1:{free_port()}"


@contextlib.contextmanager
def silent() -> Iterator[str]:
    """It takes requests and never answers."""
    with Sink(status=None) as sink:
        yield sink.url


@contextlib.contextmanager
def failing() -> Iterator[str]:
    """It answers 500."""
    with Sink(status=500) as sink:
        yield sink.url


@contextlib.contextmanager
def overloaded() -> Iterator[str]:
    """It answers 503, which asks to try again."""
    with Sink(status=503) as sink:
        yield sink.url


@contextlib.contextmanager
def moved() -> Iterator[str]:
    """It answers 308, as a proxy does that wants TLS."""
    with Sink(status=308) as sink:
        yield sink.url


@contextlib.contextmanager
def black_hole() -> Iterator[str]:
    """A connection is never made: the queue of those who wait for one is full."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.socket())
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for _ in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(server.getsockname())
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@contextlib.contextmanager
def wrong_tls() -> Iterator[str]:
    """It speaks HTTP where TLS is expected."""
    with Sink() as sink:
        yield sink.url.replace("http:", "https:")


@contextlib.contextmanager
def slow() -> Iterator[str]:
    """It sends one byte of its answer every 100 ms, without an end."""
    ended = threading.Event()

    def trickle(connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            connection.recv(1 << 16)
            connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            while not ended.wait(0.1):
                connection.sendall(b"a")

    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            with contextlib.suppress(OSError):
                while not ended.is_set():
                    connection = server.accept()[0]
                    threading.Thread(target=trickle, args=(connection,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        ended.set()
        server.shutdown(socket.SHUT_RDWR)


SICK: dict[str, Callable[[], contextlib.AbstractContextManager[str]]] = {
    each.__name__: each
    for each in (refused, silent, failing, overloaded, moved, black_hole, wrong_tls, slow)
}
