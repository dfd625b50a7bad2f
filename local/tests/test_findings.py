"""Which of checkov's findings fail `make validate`."""

from __future__ import annotations

import unittest
from typing import Any

from local.console import Problem
from local.findings import accepted, differences, findings


def report(failed: list[tuple[str, str]], **summary: int) -> dict[str, Any]:
    checks = [{"check_id": rule, "resource": f"AWS::SQS::Queue.{name}"} for rule, name in failed]
    return {"summary": {"resource_count": 2, "parsing_errors": 0, **summary}, "results": {"failed_checks": checks}}


class Differences(unittest.TestCase):
    def test_accepted_findings_are_no_difference(self) -> None:
        found = findings(report([("R1", "A"), ("R1", "B"), ("R2", "A")]))
        self.assertEqual(differences(found, {"R1": {"A", "B"}, "R2": {"A"}}), [])

    def test_new_finding_is_named_also_under_a_rule_that_is_accepted_elsewhere(self) -> None:
        (line,) = differences(findings(report([("R1", "A"), ("R1", "B")])), {"R1": {"A"}})
        self.assertIn("R1 B: fix it", line)

    def test_accepted_finding_that_is_no_longer_found_is_named(self) -> None:
        first, second = differences(findings(report([("R1", "A")])), {"R1": {"A", "B"}, "R2": {"A"}})
        self.assertIn("R1 B is no longer found", first)
        self.assertIn("R2 A is no longer found", second)


class Reading(unittest.TestCase):
    def test_accepted_rule_needs_a_reason(self) -> None:
        with self.assertRaisesRegex(Problem, "no reason for R2"):
            accepted({"R1": {"reason": "Because.", "resources": ["A"]}, "R2": {"resources": ["A"]}})

    def test_report_about_nothing_is_a_problem(self) -> None:
        for summary in ({"resource_count": 0}, {"parsing_errors": 1}):
            with self.subTest(summary), self.assertRaises(Problem):
                findings(report([], **summary))
        # Of a file without resources of its framework, checkov prints only a summary without a level above it.
        with self.assertRaises(Problem):
            findings({"passed": 0, "failed": 0, "resource_count": 0})
