"""A local Stripe: the stand-in of crates/stripe/src/testing, which the journeys and the crash tests use too.

It accepts and declines Stripe's test cards, requires 3-D Secure, honours idempotency keys, and calls the webhook.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local import environment, tools
from local.console import Problem, step, tail
from local.paths import TARGET
from local.processes import child

API_KEY = "sk_test_local"
WEBHOOK_SECRET = "whsec_local"
# Built with the functions.
BINARY = "stripe-stand-in"
STARTUP_SECONDS = 30


def url(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def secret() -> str:
    """The secret that the functions read from Secrets Manager."""
    return json.dumps({"api_key": API_KEY, "webhook_secret": WEBHOOK_SECRET})


@contextmanager
def running(port: int, webhook: str, directory: Path) -> Iterator[None]:
    """A stand-in for Stripe that sends events to this webhook, until the block is left."""
    log = directory / "stripe.log"
    command: list[str | Path] = [TARGET / tools.host_target() / "debug" / BINARY, "--port", str(port)]
    command += ["--api-key", API_KEY, "--webhook-url", webhook, "--webhook-secret", WEBHOOK_SECRET]
    with child(command, environment.for_builds(), log) as process:
        with step(f"starting a local Stripe on 127.0.0.1:{port}"):
            deadline = time.monotonic() + STARTUP_SECONDS
            while not _is_up(port):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise Problem(f"the local Stripe did not start\n{tail(log)}")
                time.sleep(0.1)
        yield


def _is_up(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError:
        return False
    return True
