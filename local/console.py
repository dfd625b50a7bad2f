"""The tool's messages, and the one kind of failure that it reports without a traceback."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Problem(Exception):
    """Something that the user can fix. Its text says how, in one line if possible."""

    def __init__(self, text: str, exit_status: int = 1) -> None:
        super().__init__(text)
        self.exit_status = exit_status


def say(text: str) -> None:
    """Reports progress, on standard error. Results go to standard output, with `print`."""
    print(f"registrar: {text}", file=sys.stderr, flush=True)


@contextmanager
def step(text: str) -> Iterator[None]:
    """Reports a step when it starts and, if it took a second or more, how long it took."""
    say(f"{text} ...")
    started = time.monotonic()
    yield
    took = time.monotonic() - started
    if took >= 1:
        say(f"{text}: {took:.0f} s")


def tail(file: Path, lines: int = 30) -> str:
    """The end of a log, for the report of a failure."""
    return "\n".join(file.read_text(errors="replace").splitlines()[-lines:]) if file.exists() else ""
