"""Filter patterns, on the examples of CloudWatch Logs User Guide, "Filter pattern syntax for metric filters"."""

from __future__ import annotations

import unittest
from typing import Any

from local.filter_pattern import MISSING, NotUnderstood, parse, selector

EVENT: dict[str, Any] = {
    "eventType": "UpdateTrail",
    "sourceIPAddress": "111.111.111.111",
    "arrayKey": ["value", "another value"],
    "objectList": [{"name": "a", "id": 1}, {"name": "b", "id": 2}],
    "SomeObject": None,
    "cluster.name": "c",
    "latency": 50,
    "ratio": 1.5e-3,
    "digits": "50",
    "ok": True,
    "fields": {"event": "send_attempt", "outcome": "accepted"},
}


class Patterns(unittest.TestCase):
    def check(self, matching: list[str], other: list[str]) -> None:
        for pattern in matching:
            self.assertTrue(parse(f"{{ {pattern} }}")(EVENT), pattern)
        for pattern in other:
            self.assertFalse(parse(f"{{ {pattern} }}")(EVENT), pattern)

    def test_text_is_compared_as_a_whole_and_with_wildcards(self) -> None:
        self.check(
            [
                '$.eventType = "UpdateTrail"',
                "$.eventType = UpdateTrail",
                '$.eventType = "*"',
                '$.eventType = "Update*"',
                "$.sourceIPAddress != 123.123.*",
                "$.sourceIPAddress = 111.*",
                '$.arrayKey[0] = "value"',
                '$.objectList[1].name = "b"',
                '$["cluster.name"] = "c"',
            ],
            [
                '$.eventType = "Update"',
                '$.eventType = "updatetrail"',
                '$.eventType != "UpdateTrail"',
                "$.sourceIPAddress != 111.111.*",
                '$.arrayKey[2] = "*"',
                '$.eventType = "U.*"',
            ],
        )

    def test_number_is_equal_to_no_text_and_text_has_no_order(self) -> None:
        self.check(
            [
                "$.latency = 50",
                "$.latency = 5e1",
                "$.latency >= 50",
                "$.latency < 50.5",
                "$.latency != 51",
                "$.latency = *",
                "$.ratio > 0",
                "$.objectList[1].id = 2",
                '$.digits = "50"',
                "$.latency > -1",
            ],
            [
                '$.latency = "50"',
                '$.latency = "*"',
                "$.digits = 50",
                "$.digits >= 0",
                "$.latency > 50",
                "$.ok = 1",
                "$.ok >= 0",
                "$.eventType >= 0",
            ],
        )

    def test_missing_property_is_neither_equal_nor_different(self) -> None:
        self.check(
            ["$.none NOT EXISTS", "$.SomeObject IS NULL", "$.ok IS TRUE"],
            [
                '$.none = "*"',
                '$.none != "x"',
                "$.none = *",
                "$.none >= 0",
                "$.SomeObject NOT EXISTS",
                '$.SomeObject != "x"',
                "$.none IS NULL",
                "$.ok IS FALSE",
                "$.latency IS TRUE",
                '$.eventType.more = "*"',
            ],
        )

    def test_conjunction_binds_more_than_alternative(self) -> None:
        yes, no = "$.latency = 50", "$.latency = 1"
        self.check(
            [
                f"{yes} && {yes}",
                f"{yes} || {no} && {no}",
                f"{no} && {no} || {yes}",
                f"({no} || {yes}) && {yes}",
                '$.fields.event = "send_attempt" && $.fields.outcome = "accepted"',
            ],
            [f"{yes} && {no}", f"({yes} || {no}) && {no}", f"{no} || {no}"],
        )

    def test_pattern_that_is_not_understood_is_refused(self) -> None:
        for pattern in [
            "",
            "ERROR",
            "[ip, user]",
            "{ }",
            "{ $.a }",
            "{ $.a = }",
            "{ $.a == 1 }",
            '{ a = "x" }',
            "{ $.a = %x% }",
            "{ $.a EXISTS }",
            "{ $.a IS 1 }",
            '{ $.a > "x" }',
            "{ $.a > x* }",
            "{ ($.a = 1 }",
            "{ $.a = 1) }",
            "{ $.a = 1 && }",
            "{ $.a = 1 $.b = 2 }",
            "{ $.a = $.b }",
            '{ $.a = "x }',
            "{ $.a = 1 and $.b = 2 }",
            '{ $.a = "' + "x" * 1024 + '" }',
        ]:
            with self.assertRaises(NotUnderstood, msg=pattern):
                parse(pattern)

    def test_selector_selects_a_property(self) -> None:
        self.assertEqual(selector("$.objectList[0].id")(EVENT), 1)
        self.assertIs(selector("$.objectList.id")(EVENT), MISSING)
        for text in ["latency", "$", "$.", "$.a b", "1"]:
            with self.assertRaises(NotUnderstood, msg=text):
                selector(text)
