"""When an alarm is set: CloudWatch User Guide, "Configuring how CloudWatch alarms treat missing data"."""

from __future__ import annotations

import unittest
from typing import Any

from local.alarms import Alarm, NotUnderstood

NOW = 1_000_020


def alarm(**changes: Any) -> Alarm:
    described = {
        "AlarmName": "A",
        "StateValue": "OK",
        "Namespace": "N",
        "MetricName": "M",
        "Dimensions": [],
        "Statistic": "Sum",
        "Period": 60,
        "EvaluationPeriods": 3,
        "ComparisonOperator": "GreaterThanThreshold",
        "Threshold": 0.0,
        "TreatMissingData": "notBreaching",
    }
    return Alarm.parse({**described, **changes})


def state(of: Alarm, points: str) -> str:
    """Of periods, the newest last: `X` breaches, `0` does not, and `-` is missing."""
    buckets = {}
    for age, point in enumerate(reversed(points)):
        if point != "-":
            buckets[NOW // 10 * 10 - age * of.period] = 1.0 if point == "X" else 0.0
    return of.evaluate(buckets, NOW)


class Alarms(unittest.TestCase):
    def check(self, of: Alarm, expected: dict[str, str]) -> None:
        self.assertEqual({points: state(of, points) for points in expected}, expected)

    def test_missing_data_does_not_breach(self) -> None:
        self.check(
            alarm(),
            {"XXX": "ALARM", "XX0": "OK", "XX-": "OK", "---": "OK", "0XXX": "ALARM", "XXX-": "OK"},
        )

    def test_missing_data_breaches(self) -> None:
        self.check(
            alarm(TreatMissingData="breaching"),
            {"---": "ALARM", "X--": "ALARM", "0--": "OK", "--0": "OK", "0---": "ALARM"},
        )

    def test_missing_data_keeps_the_state_only_if_it_could_decide(self) -> None:
        one_of_three: dict[str, Any] = {"TreatMissingData": "ignore", "DatapointsToAlarm": 1}
        self.check(alarm(**one_of_three), {"--X": "ALARM", "---": "OK", "000": "OK"})
        held = alarm(**one_of_three, StateValue="ALARM")
        self.check(held, {"---": "ALARM", "00-": "ALARM", "000": "OK", "X--": "ALARM"})

    def test_m_out_of_n_periods_are_enough(self) -> None:
        self.check(
            alarm(EvaluationPeriods=5, DatapointsToAlarm=3),
            {"X-X-X": "ALARM", "X-X--": "OK", "XX0X0": "ALARM", "XXX--0": "OK"},
        )

    def test_period_has_all_of_its_buckets(self) -> None:
        three = alarm(EvaluationPeriods=1, Threshold=2.0)
        newest = NOW // 10 * 10
        self.assertEqual(three.evaluate({newest: 1.0, newest - 50: 2.0}, NOW), "ALARM")
        self.assertEqual(three.evaluate({newest: 1.0, newest - 60: 2.0}, NOW), "OK", "of the period before")
        self.assertEqual(three.evaluate({newest: 1.0, newest + 10: 2.0}, NOW), "OK", "of the future")
        largest = alarm(EvaluationPeriods=1, Threshold=2.0, Statistic="Maximum")
        self.assertEqual(largest.evaluate({newest: 1.0, newest - 50: 2.0}, NOW), "OK")
        none = alarm(EvaluationPeriods=1, Threshold=1.0, ComparisonOperator="LessThanThreshold")
        self.assertEqual(none.evaluate({newest: 0.0}, NOW), "ALARM")

    def test_alarm_that_is_not_understood_is_named(self) -> None:
        unknown: list[dict[str, Any]] = [
            {"Statistic": "Average"},
            {"Statistic": None, "ExtendedStatistic": "p99"},
            {"ComparisonOperator": "GreaterThanUpperThreshold"},
            {"TreatMissingData": "missing"},
            {"TreatMissingData": None},
            {"Period": 5},
        ]
        for wrong in unknown:
            with self.assertRaisesRegex(NotUnderstood, "the alarm A "):
                alarm(**wrong)
