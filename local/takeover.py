"""Event source mappings that are off while `make watch` serves their queues.

While it does, the local AWS must not poll them too. `make run` turns its mappings off and on, because it lives longer:
whatever ends `make watch`, the mappings are on again within seconds. If `make run` ends, there are none.
"""

from __future__ import annotations

import time
from typing import Any

from local import instance
from local.console import Problem, say

WATCH = "watch"
"""The kind of the instances of `make watch`."""

HANDOVER_SECONDS = 30


class Takeover:
    """Follows whether `make watch` runs beside the local AWS on a port."""

    def __init__(self, aws_lambda: Any, port: int) -> None:
        self._lambda = aws_lambda
        self._port = port
        self._off: list[str] = []

    def follow(self) -> None:
        """Turns the mappings of queues off if `make watch` runs, and those that it turned off on if it does not."""
        if instance.is_running(WATCH, self._port):
            # Also one that has been turned on meanwhile, as a release of a hold does.
            on = mappings_on(self._lambda)
            self._turn(on, enabled=False)
            self._off = sorted({*self._off, *on})
            if on:
                say("`make watch` serves the queues")
        elif self._off:
            self._turn(self._off, enabled=True)
            self._off = []
            say("the local AWS serves the queues again")

    def _turn(self, mappings: list[str], *, enabled: bool) -> None:
        for mapping in mappings:
            self._lambda.update_event_source_mapping(UUID=mapping, Enabled=enabled)


def mappings_on(aws_lambda: Any) -> list[str]:
    """The ids of the mappings of queues that are on."""
    pages = aws_lambda.get_paginator("list_event_source_mappings").paginate()
    mappings = [mapping for page in pages for mapping in page["EventSourceMappings"]]
    queues = [mapping for mapping in mappings if mapping["EventSourceArn"].split(":")[2] == "sqs"]
    return [
        mapping["UUID"] for mapping in queues if mapping["State"] in ("Creating", "Enabling", "Enabled", "Updating")
    ]


def wait_until_off(aws_lambda: Any) -> None:
    """Returns once `make run` has turned the mappings off."""
    deadline = time.monotonic() + HANDOVER_SECONDS
    while mappings_on(aws_lambda):
        if time.monotonic() > deadline:
            raise Problem(f"`make run` has not turned its event source mappings off in {HANDOVER_SECONDS} s")
        time.sleep(0.2)
