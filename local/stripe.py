"""A local Stripe: the stand-in of crates/stripe/src/testing, which the journeys and the crash tests use too.

It accepts and declines Stripe's test cards, requires 3-D Secure, honours idempotency keys, and calls the webhook.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local import tools
from local.paths import TARGET
from local.servers import serving

API_KEY = "sk_test_local"
WEBHOOK_SECRET = "whsec_local"
# The name of a partner event bus, as Stripe would make it. The stand-in sends no event there, because the local AWS
# delivers no event of a partner.
EVENT_BUS = "aws.partner/stripe.com/ed_local"
# Built with the functions.
BINARY = "stripe-stand-in"


def url(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def secret() -> str:
    """The secret that the functions read from Secrets Manager."""
    return json.dumps({"api_key": API_KEY, "webhook_secret": WEBHOOK_SECRET})


@contextmanager
def running(port: int, webhook: str, directory: Path) -> Iterator[None]:
    """A stand-in for Stripe that sends events to this webhook, until the block is left."""
    command: list[str | Path] = [TARGET / tools.host_target() / "debug" / BINARY, "--port", str(port)]
    command += ["--api-key", API_KEY, "--webhook-url", webhook, "--webhook-secret", WEBHOOK_SECRET]
    with serving("a local Stripe", command, port, directory / "stripe.log"):
        yield
