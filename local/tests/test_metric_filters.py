"""What a metric filter publishes."""

from __future__ import annotations

import json
import unittest
from typing import Any

from local.filter_pattern import NotUnderstood
from local.metric_filters import GRACE_MS, MINUTE_MS, Datum, LogEvent, MetricFilter, read

# Within a minute, so that a test can see which time is meant.
NOW = 100 * MINUTE_MS + 1234


def described(pattern: str = "{ $.n = * }", **transformation: Any) -> dict[str, Any]:
    plain = {"metricNamespace": "N", "metricName": "M", "metricValue": "1"}
    return {
        "filterName": "F",
        "logGroupName": "G",
        "creationTime": NOW - 1,
        "filterPattern": pattern,
        "metricTransformations": [{**plain, **transformation}],
    }


def published(of: MetricFilter, *contents: Any, at_ms: int = NOW) -> list[Datum]:
    events = [LogEvent(at_ms, text if isinstance(text, str) else json.dumps(text)) for text in contents]
    return of.data((event, read(event)) for event in events)


class MetricFilters(unittest.TestCase):
    def test_each_match_is_a_value_at_the_time_of_its_event(self) -> None:
        each = MetricFilter.parse(described(unit="Count"))
        found = published(each, {"n": 1}, {"x": 1}, "START RequestId: 1", "7", {"n": 2})
        self.assertEqual(found, [Datum("N", "M", (), "Count", 1.0, NOW)] * 2)

    def test_value_of_a_property_is_published_if_it_is_a_number(self) -> None:
        each = MetricFilter.parse(described(metricValue="$.n"))
        found = published(each, {"n": 2.5}, {"n": "2"}, {"n": True}, {"n": [1]}, {"n": 0})
        self.assertEqual([datum.value for datum in found], [2.5, 0.0])

    def test_event_without_a_dimension_publishes_nothing(self) -> None:
        each = MetricFilter.parse(described(dimensions={"kind": "$.k", "code": "$.c"}))
        found = published(each, {"n": 1, "k": "a", "c": 7}, {"n": 1, "k": "a"}, {"n": 1, "k": "", "c": 7})
        self.assertEqual([datum.dimensions for datum in found], [(("kind", "a"), ("code", "7"))])
        self.assertEqual(each.defaults(NOW + 10 * MINUTE_MS), [])

    def test_event_before_the_filter_is_not_counted(self) -> None:
        each = MetricFilter.parse(described(defaultValue=0.0))
        self.assertEqual(published(each, {"n": 1}, at_ms=NOW - 2), [])
        self.assertEqual(each.defaults(NOW + 10 * MINUTE_MS), [])

    def test_default_value_is_that_of_a_minute_with_events_and_without_a_match(self) -> None:
        each = MetricFilter.parse(described(defaultValue=0.0))
        published(each, {"n": 1}, {"x": 1})
        published(each, {"x": 1}, at_ms=NOW + MINUTE_MS)
        self.assertEqual(each.defaults(101 * MINUTE_MS + GRACE_MS), [], "one had a match, one is not over")
        self.assertEqual(each.defaults(102 * MINUTE_MS + GRACE_MS - 1), [])
        default = Datum("N", "M", (), "None", 0.0, 101 * MINUTE_MS)
        self.assertEqual(each.defaults(102 * MINUTE_MS + GRACE_MS), [default])
        self.assertEqual(each.defaults(200 * MINUTE_MS), [], "a minute without events has no default value")

    def test_filter_that_is_not_understood_is_named(self) -> None:
        for wrong in [
            described("ERROR"),
            described(metricValue="one"),
            described(metricValue="$n"),
            described(defaultValue=0.0, dimensions={"kind": "$.k"}),
            described(dimensions=dict.fromkeys("abcd", "$.k")),
            described(dimensions={"kind": "k"}),
            {**described(), "metricTransformations": []},
        ]:
            with self.assertRaisesRegex(NotUnderstood, "the metric filter F "):
                MetricFilter.parse(wrong)
