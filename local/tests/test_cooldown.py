"""Which locked versions `make cooldown` refuses."""

from __future__ import annotations

import json
import unittest
from datetime import datetime, timedelta, timezone

from local.console import Problem
from local.cooldown import (
    COOLDOWN,
    Package,
    exceptions,
    index_path,
    locked_crates,
    moment,
    pinned,
    publication,
    too_young,
    verdict,
)

NOW = datetime(2026, 6, 15, tzinfo=timezone.utc)
YOUNG, OLD = Package("cargo", "young", "1.0.0"), Package("cargo", "old", "1.0.0")


class Verdict(unittest.TestCase):
    def test_version_is_too_young_until_the_cooldown_is_over(self) -> None:
        dates = {YOUNG: NOW - COOLDOWN + timedelta(seconds=1), OLD: NOW - COOLDOWN}
        self.assertEqual(too_young(dates, NOW), {YOUNG})

    def test_young_version_is_named_unless_it_is_an_exception(self) -> None:
        (line,) = verdict({YOUNG}, {YOUNG, OLD}, set())
        self.assertIn("cargo young 1.0.0: lock an older version", line)
        self.assertEqual(verdict({YOUNG}, {YOUNG, OLD}, {YOUNG}), [])

    def test_exception_that_is_not_locked_is_named(self) -> None:
        (line,) = verdict(set(), {OLD}, {YOUNG})
        self.assertIn("cargo young 1.0.0 is not locked", line)

    def test_exception_is_of_one_version_in_one_registry_and_needs_a_reason(self) -> None:
        groups = exceptions("- {reason: A fix., cargo: [young 1.0.0], pip: [b 2]}")
        self.assertEqual(groups, {YOUNG, Package("pip", "b", "2")})
        with self.assertRaisesRegex(Problem, "no reason"):
            exceptions("- {cargo: [young 1.0.0]}")


class Reading(unittest.TestCase):
    def test_packages_of_the_workspace_are_not_locked_versions(self) -> None:
        lock = '[[package]]\nname = "ours"\nversion = "0.1.0"\n\n[[package]]\nname = "old"\nversion = "1.0.0"\n'
        lock += 'source = "registry+https://example.com/index"\n'
        self.assertEqual(locked_crates(lock), [OLD])

    def test_pin_may_have_a_condition(self) -> None:
        text = '# a==1\nb==2\nc-d==3.1 ; python_version < "3.11"\n'
        self.assertEqual(pinned(text), [Package("pip", "b", "2"), Package("pip", "c-d", "3.1")])

    def test_crate_is_at_its_place_in_the_index(self) -> None:
        places = {"a": "1/a", "ab": "2/ab", "abc": "3/a/abc", "Serde": "se/rd/serde"}
        self.assertEqual({name: index_path(name) for name in places}, places)

    def test_date_is_that_of_the_version(self) -> None:
        entries = [{"vers": "1.0.0", "pubtime": "2026-06-01T10:00:00Z"}, {"vers": "1.1.0"}]
        cached = b"\1head\0" + b"\0".join(f"{each['vers']}\0{json.dumps(each)}".encode() for each in entries) + b"\0"
        self.assertEqual(publication(cached, "1.0.0"), datetime(2026, 6, 1, 10, tzinfo=timezone.utc))
        self.assertIsNone(publication(cached, "1.1.0"))
        self.assertIsNone(publication(cached, "2.0.0"))

    def test_every_registry_writes_its_times_in_its_own_way(self) -> None:
        expected = datetime(2026, 6, 1, 10, tzinfo=timezone.utc)
        for text in ("2026-06-01T10:00:00Z", "2026-06-01T10:00:00.123Z", "2026-06-01T10:00:00+00:00"):
            self.assertEqual(moment(text), expected)
