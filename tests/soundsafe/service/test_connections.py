"""Connections that ask for nothing, over real sockets."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Iterator

import pytest

pytest.importorskip("uvicorn")

import uvicorn

from soundsafe.service.connections import OncePerWhile, patient_protocol

HEAD_S = 0.5


async def say_ok(scope: object, receive: object, send: object) -> None:
    assert callable(send)
    assert callable(receive)
    message = await receive()
    while message.get("more_body"):
        message = await receive()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@pytest.fixture
def port() -> Iterator[int]:
    listening = socket.create_server(("127.0.0.1", 0), backlog=200)
    config = uvicorn.Config(say_ok, http=patient_protocol(8, HEAD_S), lifespan="off", log_level="error")  # type: ignore[arg-type]
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: server.run(sockets=[listening]))
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield listening.getsockname()[1]
    server.should_exit = True
    thread.join(10)
    listening.close()


def connect(port: int, data: bytes = b"") -> socket.socket:
    made = socket.create_connection(("127.0.0.1", port), timeout=5)
    made.sendall(data)
    return made


def closed(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except ConnectionError:
        return True


REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize("sent", [b"", b"GET / HT", b"POST /decode HTTP/1.1\r\nHost: x\r\n"])
def test_half_a_request_is_given_up(port: int, sent: bytes) -> None:
    start = time.monotonic()
    with connect(port, sent) as connection:
        assert closed(connection)
    assert time.monotonic() - start > HEAD_S * 0.8


def test_also_after_an_answer(port: int) -> None:
    with connect(port, REQUEST) as connection:
        answer = b""
        while not answer.endswith(b"ok"):  # head and body may come apart
            answer += connection.recv(4096)
        assert answer.startswith(b"HTTP/1.1 200")
        connection.sendall(b"GET / HT")
        assert closed(connection)


def test_a_body_may_take_longer(port: int) -> None:
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n"
    with connect(port, head + b"a") as connection:
        time.sleep(2 * HEAD_S)
        connection.sendall(b"b")
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")


def test_who_asks_is_answered_among_those_who_do_not(port: int) -> None:
    silent = [connect(port) for _ in range(60)]
    for _ in range(20):
        with connect(port, REQUEST) as connection:
            assert connection.recv(4096).startswith(b"HTTP/1.1 200")
    for connection in silent:
        connection.close()


def test_a_message_is_told_once_in_a_while() -> None:
    quiet = OncePerWhile(seconds=60.0)
    records = [logging.LogRecord("x", 30, "f", 1, text, (), None) for text in ("a", "a", "b", "a")]
    assert [quiet.filter(record) for record in records] == [True, False, True, False]
    assert [OncePerWhile(seconds=0.0).filter(record) for record in records] == [True] * 4
