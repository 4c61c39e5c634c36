# SPDX-License-Identifier: Apache-2.0
"""How one sees from outside that a part serves. Each probe raises NotReady with what it saw."""

from __future__ import annotations

import socket
from pathlib import Path

import httpx
import psycopg

from services_demo.stack.errors import NotReady
from services_demo.stack.program import Probe

_SECONDS = 2.0


def http(url: str) -> Probe:
    """Ready when *url* answers with 200."""

    def probe() -> None:
        try:
            answer = httpx.get(url, timeout=_SECONDS)
        except httpx.HTTPError as error:
            raise NotReady(f"{url}: {type(error).__name__} {error}") from error
        if answer.status_code != httpx.codes.OK:
            raise NotReady(f"{url} answers {answer.status_code}: {answer.text[:200]}")

    return probe


def tcp(port: int) -> Probe:
    """Ready when somebody listens on *port*."""

    def probe() -> None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=_SECONDS).close()
        except OSError as error:
            raise NotReady(f"port {port}: {error.strerror or error}") from error

    return probe


def postgres(url: str) -> Probe:
    """Ready when the server at *url* takes a login."""

    def probe() -> None:
        try:
            psycopg.connect(url, connect_timeout=int(_SECONDS)).close()
        except psycopg.Error as error:
            raise NotReady(f"PostgreSQL: {str(error).strip().splitlines()[-1]}") from error

    return probe


def file(path: Path) -> Probe:
    """Ready when the part has written *path*, for parts that nobody asks anything."""

    def probe() -> None:
        if not path.is_file():
            raise NotReady(f"{path} is not written yet")

    return probe


def amqp(port: int) -> Probe:
    """Ready when the broker on *port* answers the AMQP protocol header."""

    def probe() -> None:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=_SECONDS) as connection:
                connection.sendall(b"AMQP\x00\x00\x09\x01")
                answer = connection.recv(1)
        except OSError as error:
            raise NotReady(f"port {port}: {error.strerror or error}") from error
        # A method frame: Connection.Start. Anything else is not a broker that is ready.
        if answer != b"\x01":
            raise NotReady(f"port {port}: no AMQP greeting")

    return probe


def consumer(api: str, auth: tuple[str, str], queue: str) -> Probe:
    """Ready when *queue* has a consumer, asked of RabbitMQ's management API at *api*."""

    def probe() -> None:
        try:
            answer = httpx.get(f"{api}/api/queues/%2F/{queue}", auth=auth, timeout=_SECONDS)
        except httpx.HTTPError as error:
            raise NotReady(f"RabbitMQ's management API: {error}") from error
        if answer.status_code == httpx.codes.NOT_FOUND:
            raise NotReady(f"queue {queue} is not declared yet")
        if answer.status_code != httpx.codes.OK:
            raise NotReady(f"RabbitMQ's management API answers {answer.status_code}")
        if not answer.json().get("consumers"):
            raise NotReady(f"queue {queue} has no consumer yet")

    return probe
