"""Child processes that never outlive the tool.

Each child leads a process group of its own. The group ends with the tool: leaving the `with` block kills it, a signal
that stops the tool leaves all `with` blocks, and if the tool itself is killed, the kernel kills the child.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from types import FrameType

from local.console import Problem, tail
from local.paths import ROOT

GRACE_SECONDS = 10
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)


class Stopped(BaseException):
    """A signal stopped the tool."""

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.exit_status = 128 + signum


def _stop(signum: int, _frame: FrameType | None) -> None:
    # Stopping takes a moment. A second signal must not interrupt it.
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    raise Stopped(signum)


def stop_on_signals() -> None:
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, _stop)


def _die_with_parent() -> None:
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


@contextmanager
def child(
    command: Sequence[str | Path], env: Mapping[str, str], log: Path | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Runs a command while the block runs. Its output goes to `log`, or otherwise to the tool's own output."""
    with log.open("ab") if log else nullcontext() as output:
        # preexec_fn is safe: the tool has no threads.
        process = subprocess.Popen(
            [str(part) for part in command],
            cwd=ROOT,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT if output else None,
            start_new_session=True,
            preexec_fn=_die_with_parent,  # noqa: PLW1509
        )
    try:
        yield process
    finally:
        end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """Ends a child and every process that it started."""
    _signal_group(process.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(GRACE_SECONDS)
    # Members of the group may outlive its leader.
    _signal_group(process.pid, signal.SIGKILL)
    process.wait()


def _signal_group(group: int, signum: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, signum)


def run(command: Sequence[str | Path], env: Mapping[str, str], what: str, log: Path | None = None) -> None:
    """Runs a command to its end. If it fails, the error says that `what` failed, and shows the end of the log."""
    with child(command, env, log) as process:
        status = process.wait()
    if status:
        shown = f"\n{tail(log)}\nregistrar: the whole log is {log.relative_to(ROOT)}" if log else ""
        raise Problem(f"{what} failed{shown}")
