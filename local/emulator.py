"""The emulated AWS: one process on a port of loopback, with its logs in a directory of its own."""

from __future__ import annotations

import json
import random
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local import environment, quirks
from local.console import Problem, step, tail
from local.paths import EMULATOR_PYTHON
from local.processes import child

STARTUP_SECONDS = 60


@dataclass(frozen=True)
class Emulator:
    port: int
    log: Path
    process: subprocess.Popen[bytes]

    @property
    def endpoint(self) -> str:
        return environment.endpoint(self.port)

    def emails(self) -> list[dict[str, Any]]:
        """The emails that SES accepted, oldest first."""
        try:
            accounts = self._get("ses/messages")["messages"].values()
        except OSError:
            # The emulator is too busy to respond. The caller polls again.
            return []
        return sorted((email for emails in accounts for email in emails), key=lambda email: email["Timestamp"])

    def is_up(self) -> bool:
        try:
            self._get("health")
        except OSError:
            return False
        return True

    def _get(self, path: str) -> dict[str, Any]:
        # Without a proxy, because the emulator is on this machine.
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(f"{self.endpoint}/_ministack/{path}", timeout=5) as response:
            document: dict[str, Any] = json.load(response)
            return document


@contextmanager
def running(port: int, directory: Path, delivery_events: bool) -> Iterator[Emulator]:
    """An emulator that runs for the duration of the block, and reports what becomes of emails if it should."""
    log = directory / "emulator.log"
    scratch = directory / "emulator"
    scratch.mkdir()
    env = environment.for_emulator(port, scratch)
    changes = [*quirks.alarm_evaluation(), *quirks.lambda_metrics(), *quirks.api_metrics()]
    changes += [*quirks.jwt_authorizers(), *quirks.signed_routes(), *quirks.cors_configuration()]
    changes += [*quirks.stream_batches(), *(quirks.delivery_events() if delivery_events else [])]
    with child([EMULATOR_PYTHON, "-m", "local.emulator_start", *changes], env, log) as process:
        emulator = Emulator(port, log, process)
        with step(f"starting a local AWS on 127.0.0.1:{port}"):
            deadline = time.monotonic() + STARTUP_SECONDS
            while not emulator.is_up():
                if process.poll() is not None or time.monotonic() > deadline:
                    raise Problem(f"the local AWS did not start\n{tail(log)}")
                time.sleep(0.1)
        yield emulator


def require_free(port: int) -> None:
    try:
        _bind(port)
    except OSError as error:
        raise Problem(
            f"port {port} cannot be used ({error.strerror}): `make stop` ends an earlier `make run`, and "
            f"`make run PORT={port + 1}` uses another port"
        ) from error


def is_free(port: int) -> bool:
    try:
        _bind(port)
    except OSError:
        return False
    return True


def free_port() -> int:
    """A port that nothing listens on, and that no client is given before somebody listens there.

    Operating systems give clients ports from 32768 (Linux), or from 49152.
    """
    while True:
        port = random.randrange(20_000, 32_768)
        if is_free(port):
            return port


def _bind(port: int) -> None:
    with socket.socket() as probe:
        # The emulator sets this option too, so connections in TIME_WAIT of an earlier emulator do not matter.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))
