"""Tests of the handover of the queues between `make run` and `make watch`."""

from __future__ import annotations

import unittest
from typing import Any
from unittest import mock

from local import takeover

QUEUE = "arn:aws:sqs:us-east-1:000000000000:jobs"
STREAM = "arn:aws:dynamodb:us-east-1:000000000000:table/t/stream/s"


class FakeLambda:
    """Event source mappings by id, each with its source and whether it is on."""

    def __init__(self, **mappings: tuple[str, bool]) -> None:
        self.mappings = mappings

    def get_paginator(self, _operation: str) -> FakeLambda:
        return self

    def paginate(self) -> list[dict[str, Any]]:
        """A page for each."""
        return [
            {"EventSourceMappings": [{"UUID": uuid, "EventSourceArn": arn, "State": "Enabled" if on else "Disabled"}]}
            for uuid, (arn, on) in self.mappings.items()
        ]

    def update_event_source_mapping(self, UUID: str, Enabled: bool) -> None:  # noqa: N803
        self.mappings[UUID] = (self.mappings[UUID][0], Enabled)

    def on(self) -> set[str]:
        return {uuid for uuid, (_, on) in self.mappings.items() if on}


class TakeoverTest(unittest.TestCase):
    def setUp(self) -> None:
        self.aws_lambda = FakeLambda(
            worker=(QUEUE, True), feedback=(QUEUE, True), stopped=(QUEUE, False), stream=(STREAM, True)
        )
        self.takeover = takeover.Takeover(self.aws_lambda, 4566)

    def follow(self, *, watched: bool) -> set[str]:
        with mock.patch("local.instance.is_running", return_value=watched), mock.patch("local.takeover.say"):
            self.takeover.follow()
        return self.aws_lambda.on()

    def test_mappings_of_queues_are_off_while_make_watch_runs(self) -> None:
        self.assertEqual(self.follow(watched=False), {"worker", "feedback", "stream"})
        self.assertEqual(self.follow(watched=True), {"stream"})
        takeover.wait_until_off(self.aws_lambda)
        self.assertEqual(self.follow(watched=False), {"worker", "feedback", "stream"})

    def test_mapping_that_was_off_before_stays_off(self) -> None:
        self.follow(watched=True)
        self.assertNotIn("stopped", self.follow(watched=False))

    def test_mapping_that_is_turned_on_meanwhile_is_turned_off_again(self) -> None:
        self.follow(watched=True)
        self.aws_lambda.update_event_source_mapping(UUID="stopped", Enabled=True)
        self.assertEqual(self.follow(watched=True), {"stream"})
        self.assertEqual(self.follow(watched=False), {"worker", "feedback", "stopped", "stream"})

    def test_mapping_is_left_alone_without_make_watch(self) -> None:
        self.follow(watched=True)
        self.follow(watched=False)
        self.aws_lambda.update_event_source_mapping(UUID="worker", Enabled=False)
        self.assertEqual(self.follow(watched=False), {"feedback", "stream"})


if __name__ == "__main__":
    unittest.main()
