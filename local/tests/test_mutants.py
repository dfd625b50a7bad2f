"""The list of mutants that survive, and how a run is compared with it."""

from __future__ import annotations

import unittest
from collections import Counter

from local.console import Problem
from local.mutants import _LIST, PACKAGES, compare, read, without_place

ONE = "crates/pacer/src/pacer.rs: replace < with <= in Pacer::poll"
OTHER = "crates/pacer/src/pacer.rs: replace + with - in Pacer::poll"


class Survivors(unittest.TestCase):
    def test_place_is_not_part_of_the_name(self) -> None:
        self.assertEqual(without_place(ONE.replace("rs:", "rs:97:12:")), ONE)

    def test_each_group_has_a_reason(self) -> None:
        self.assertEqual(
            read(f"# About the file.\n\n# Equal.\n{ONE}\n{ONE}\n\n# A log.\n{OTHER}\n"), Counter([ONE, ONE, OTHER])
        )
        with self.assertRaisesRegex(Problem, "gives no reason"):
            read(f"# Equal.\n{ONE}\n\n{OTHER}\n")

    def test_new_and_stale_entries_are_named(self) -> None:
        problems = compare(Counter([ONE, ONE]), Counter([ONE, OTHER]), whole=True)
        self.assertEqual(len(problems), 2)
        self.assertIn(ONE, problems[0])
        self.assertIn(OTHER, problems[1])
        self.assertEqual(compare(Counter(), Counter([ONE]), whole=False), [])
        self.assertEqual(compare(Counter([ONE]), Counter([ONE]), whole=True), [])

    def test_committed_list_is_of_the_packages(self) -> None:
        folders = tuple(package.folder for package in PACKAGES.values())
        for name in read(_LIST.read_text()):
            self.assertTrue(name.startswith(folders), name)


if __name__ == "__main__":
    unittest.main()
