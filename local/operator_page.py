"""The operator's console beside `make run`: `registrar console`, on the port after the local AWS's if that is free."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local import environment, tools
from local.console import Problem, step, tail
from local.emulator import is_free
from local.paths import TARGET
from local.processes import child
from local.stack import NAME, Stack

# Built with the functions.
BINARY = "registrar"
STARTUP_SECONDS = 60


def program() -> Path:
    """The operator's command, as it was built with the functions."""
    return TARGET / tools.host_target() / "debug" / BINARY


@contextmanager
def running(stack: Stack, port: int, directory: Path) -> Iterator[str]:
    """A console for the duration of the block, and its address. It serves its page only on this machine."""
    log = directory / "console.log"
    command: list[str | Path] = [program(), "console", "--stack", NAME]
    command += ["--port", str(port + 1 if is_free(port + 1) else 0), "--api-url", stack.api_url]
    with child(command, environment.for_clients(stack.endpoint), log) as process:
        with step("starting the operator's console"):
            deadline = time.monotonic() + STARTUP_SECONDS
            while not (address := _address(log)):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise Problem(f"the operator's console did not start\n{tail(log)}")
                time.sleep(0.1)
        yield address


def _address(log: Path) -> str:
    """The first line that the console prints, once it is complete."""
    first, end, _ = log.read_text(errors="replace").partition("\n") if log.exists() else ("", "", "")
    return first if end and first.startswith("http") else ""
