"""The evaluation of alarms: CloudWatch User Guide, "Using Amazon CloudWatch alarms" and "Configuring how CloudWatch
alarms treat missing data".

It deviates in time: CloudWatch evaluates each alarm once per minute, and this every few seconds, with periods that end
now. And CloudWatch looks further back than the evaluation periods for data in place of missing data; this does not.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

BUCKET_SECONDS = 10
"""A period consists of buckets. 10 s is the shortest period of an alarm with a metric of a custom namespace."""

_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "GreaterThanThreshold": operator.gt,
    "GreaterThanOrEqualToThreshold": operator.ge,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}
_STATISTICS: dict[str, Callable[[list[float]], float]] = {"Sum": sum, "Maximum": max, "Minimum": min}
_TREATMENTS = ("breaching", "notBreaching", "ignore")


class NotUnderstood(Exception):
    """An alarm that this file cannot evaluate."""


@dataclass(frozen=True)
class Alarm:
    name: str
    state: str
    namespace: str
    metric: str
    dimensions: list[dict[str, str]]
    statistic: str
    period: int
    evaluation_periods: int
    datapoints_to_alarm: int
    comparison: str
    threshold: float
    missing: str

    @classmethod
    def parse(cls, described: dict[str, Any]) -> Alarm:
        """An alarm that DescribeAlarms describes."""
        alarm = cls(
            name=described["AlarmName"],
            state=described["StateValue"],
            namespace=described["Namespace"],
            metric=described["MetricName"],
            dimensions=described.get("Dimensions") or [],
            statistic=described.get("Statistic") or described.get("ExtendedStatistic") or "",
            period=described["Period"],
            evaluation_periods=described["EvaluationPeriods"],
            datapoints_to_alarm=described.get("DatapointsToAlarm") or described["EvaluationPeriods"],
            comparison=described["ComparisonOperator"],
            threshold=described["Threshold"],
            missing=described.get("TreatMissingData") or "missing",
        )
        for value, known in (
            (alarm.statistic, _STATISTICS),
            (alarm.comparison, _COMPARISONS),
            (alarm.missing, _TREATMENTS),
        ):
            if value not in known:
                raise NotUnderstood(f"the alarm {alarm.name} is not understood: {value or 'no statistic'}")
        if alarm.period % BUCKET_SECONDS:
            raise NotUnderstood(f"the alarm {alarm.name} is not understood: a period of {alarm.period} s")
        return alarm

    @property
    def reach(self) -> int:
        """How many seconds back the alarm looks."""
        return self.period * self.evaluation_periods

    def evaluate(self, buckets: Mapping[int, float], now: int) -> str:
        """The alarm's state. `buckets` has the statistic of each bucket with data, by the time that it starts at."""
        newest = now // BUCKET_SECONDS * BUCKET_SECONDS
        values: dict[int, list[float]] = {}
        for start, value in buckets.items():
            age = (newest - start) // self.period
            if 0 <= age < self.evaluation_periods:
                values.setdefault(age, []).append(value)
        compare = _COMPARISONS[self.comparison]
        points = [_STATISTICS[self.statistic](each) for each in values.values()]
        breaching = sum(compare(point, self.threshold) for point in points)
        missing = self.evaluation_periods - len(points)
        if self.missing == "breaching":
            breaching += missing
        if breaching >= self.datapoints_to_alarm:
            return "ALARM"
        # If the missing data could decide, `ignore` keeps the state.
        undecided = self.missing == "ignore" and breaching + missing >= self.datapoints_to_alarm
        return self.state if undecided else "OK"
