"""Ports of loopback, made reachable at another address of this machine: containers cannot reach its loopback."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from local.console import Problem

CHUNK_BYTES = 64 * 1024


@contextmanager
def forwarded(address: str, port: int) -> Iterator[None]:
    """Connections to the port at this address reach 127.0.0.1, for the duration of the block."""
    try:
        listener = socket.create_server((address, port))
    except OSError as error:
        raise Problem(f"containers cannot reach this machine at {address}:{port} ({error.strerror})") from error
    threading.Thread(target=_accept, args=(listener, port), daemon=True).start()
    try:
        yield
    finally:
        # Ends the thread, which waits in `accept`.
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def _accept(listener: socket.socket, port: int) -> None:
    with suppress(OSError):
        while True:
            client, _ = listener.accept()
            server = socket.create_connection(("127.0.0.1", port))
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=_copy, args=(source, sink), daemon=True).start()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while part := source.recv(CHUNK_BYTES):
            sink.sendall(part)
        sink.shutdown(socket.SHUT_WR)
