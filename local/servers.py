"""Child processes that serve a port of loopback."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from local import environment
from local.console import Problem, step, tail
from local.processes import child

STARTUP_SECONDS = 30


@contextmanager
def serving(
    what: str, command: Sequence[str | Path], port: int, log: Path, env: Mapping[str, str] | None = None
) -> Iterator[None]:
    """The process, until the block is left. The block begins once it accepts connections."""
    with child(command, env or environment.for_builds(), log) as process:
        with step(f"starting {what} on 127.0.0.1:{port}"):
            deadline = time.monotonic() + STARTUP_SECONDS
            while not _is_up(port):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise Problem(f"{what} did not start\n{tail(log)}")
                time.sleep(0.1)
        yield


def _is_up(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError:
        return False
    return True
