"""A server on a loopback socket that does exactly what a test tells it to, bytes and all: real enough to break off, stall and lie."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager

from tests.support.patience import PATIENCE

Answer = Callable[[socket.socket, threading.Event], None]


def http(body: bytes, *, status: str = "200 OK", length: int | None = None, headers: str = "") -> bytes:
    """A whole answer; `length` is what it claims, where that is a lie."""
    size = len(body) if length is None else length
    return f"HTTP/1.1 {status}\r\nContent-Length: {size}\r\nConnection: close\r\n{headers}\r\n".encode() + body


def sends(answer: bytes) -> Answer:
    """Sends these bytes and hangs up."""

    def act(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(answer)

    return act


def stalls_after(answer: bytes) -> Answer:
    """Sends these bytes and then nothing, with the line held open until the test is over."""

    def act(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(answer)
        over.wait()

    return act


@contextmanager
def serving(answer: Answer) -> Generator[str, None, None]:
    """The address of a server that answers every connection so."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.05)

        def serve() -> None:
            while not over.is_set():
                try:
                    connection, _ = listener.accept()
                except TimeoutError:
                    continue
                with connection:
                    connection.settimeout(PATIENCE)
                    connection.recv(65_536)
                    answer(connection, over)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            over.set()
            thread.join()
