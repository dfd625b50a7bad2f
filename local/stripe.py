"""A local Stripe: localstripe, which accepts and declines test cards, requires 3-D Secure, and calls webhooks.

It ignores idempotency keys. The journeys have a stand-in of their own that honours them.
"""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local import environment
from local.console import Problem, step, tail
from local.paths import STRIPE_PYTHON
from local.processes import child

API_KEY = "sk_test_local"
WEBHOOK_SECRET = "whsec_local"
STARTUP_SECONDS = 30

# Its own command listens on every address of the machine.
_SERVE = """
import sys
from aiohttp import web
from localstripe.server import app
web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]))
"""


def url(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def secret() -> str:
    """The secret that the functions read from Secrets Manager."""
    return json.dumps({"api_key": API_KEY, "webhook_secret": WEBHOOK_SECRET})


@contextmanager
def running(port: int, directory: Path) -> Iterator[None]:
    """A stand-in for Stripe that is up, until the block is left."""
    log = directory / "stripe.log"
    with child([STRIPE_PYTHON, "-c", _SERVE, str(port)], environment.for_builds(), log) as process:
        with step(f"starting a local Stripe on 127.0.0.1:{port}"):
            deadline = time.monotonic() + STARTUP_SECONDS
            while not _is_up(port):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise Problem(f"the local Stripe did not start\n{tail(log)}")
                time.sleep(0.1)
        yield


def call_webhook(port: int, webhook: str) -> None:
    """Sends the events of payments to this address."""
    _post(port, "/_config/webhooks/registrar", {"url": webhook, "secret": WEBHOOK_SECRET})


def _is_up(port: int) -> bool:
    try:
        _open(urllib.request.Request(f"{url(port)}/v1/payment_intents", headers={"Authorization": f"Bearer {API_KEY}"}))
    except (OSError, urllib.error.URLError):
        return False
    return True


def _post(port: int, path: str, form: dict[str, str]) -> None:
    _open(urllib.request.Request(f"{url(port)}{path}", urllib.parse.urlencode(form).encode()))


def _open(request: urllib.request.Request) -> None:
    # Never through a proxy: it is this machine.
    urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=5).close()
