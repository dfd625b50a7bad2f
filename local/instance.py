"""Running instances of the tool, each with a directory under .local/ for its logs and for its process id."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local.console import say
from local.paths import ROOT, SCRATCH

STOP_SECONDS = 60


@contextmanager
def directory(kind: str, port: int) -> Iterator[Path]:
    """The instance's directory. After a failure, it is kept until another instance of the same kind starts."""
    for old in _directories(kind):
        if not _identity_is_current(_recorded(old)):
            shutil.rmtree(old)
    mine = SCRATCH / f"{kind}-{port}"
    # The directory has another name until its file `process` exists. Otherwise a starting instance could remove it.
    nascent = SCRATCH / f".{kind}-{port}"
    nascent.mkdir(exist_ok=True)
    (nascent / "process").write_text(_identity(os.getpid()) or "")
    nascent.rename(mine)
    try:
        yield mine
    except Exception:
        say(f"logs are in {mine.relative_to(ROOT)}/")
        (mine / "process").unlink()
        raise
    except BaseException:
        # Stopped, not failed.
        shutil.rmtree(mine)
        raise
    shutil.rmtree(mine)


def stop(kind: str) -> int:
    """Stops the running instances of a kind, and returns how many there were."""
    running = [recorded for each in _directories(kind) if _identity_is_current(recorded := _recorded(each))]
    for recorded in running:
        os.kill(_process_id(recorded), signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while any(map(_identity_is_current, running)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return len(running)


def is_running(kind: str, port: int) -> bool:
    return _identity_is_current(_recorded(SCRATCH / f"{kind}-{port}"))


def _directories(kind: str) -> list[Path]:
    return sorted(SCRATCH.glob(f"{kind}-*"))


def _recorded(instance: Path) -> str:
    file = instance / "process"
    return file.read_text() if file.exists() else ""


def _identity_is_current(recorded: str) -> bool:
    return bool(recorded) and _identity(_process_id(recorded)) == recorded


def _process_id(recorded: str) -> int:
    return int(recorded.partition(" ")[0])


def _identity(process_id: int) -> str | None:
    """A process's id and start time: the id alone may belong to another process by now."""
    try:
        stat = Path(f"/proc/{process_id}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The fields follow the command's name, which is in parentheses and may contain any text. The start is field 22.
    state, *rest = stat.rsplit(")", 1)[1].split()
    return None if state == "Z" else f"{process_id} {rest[18]}"
