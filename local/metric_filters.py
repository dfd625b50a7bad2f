"""Metric filters: from log events to metric data, as CloudWatch Logs does it.

CloudWatch Logs User Guide, "Creating metrics from log events using filters" and "Configuring metric values for a metric
filter"; API Reference, MetricTransformation.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from local import filter_pattern
from local.filter_pattern import MISSING, Condition, NotUnderstood

# Of MetricTransformation.
MAX_DIMENSIONS = 3
MINUTE_MS = 60_000
# How long after its end a minute counts as over. The local AWS writes the lines of an invocation when it has ended.
GRACE_MS = 5_000


@dataclass(frozen=True)
class Datum:
    """A value of a metric."""

    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...]
    unit: str
    value: float
    at_ms: int


@dataclass(frozen=True)
class LogEvent:
    at_ms: int
    message: str


def read(event: LogEvent) -> Any:
    """The JSON of a log event. Only patterns for JSON exist here, and none of them matches anything else."""
    try:
        return json.loads(event.message)
    except ValueError:
        return MISSING


@dataclass
class MetricFilter:
    """One filter, with the minutes for which it may still owe its default value."""

    name: str
    log_group: str
    created_at_ms: int
    namespace: str
    metric: str
    unit: str
    default: float | None
    _matches: Condition
    _value: Callable[[Any], float | None]
    _dimensions: dict[str, Callable[[Any], Any]]
    # Whether the filter matched in a minute that has log events.
    _minutes: dict[int, bool] = field(default_factory=dict)

    @classmethod
    def parse(cls, described: dict[str, Any]) -> MetricFilter:
        """A filter that DescribeMetricFilters describes. `NotUnderstood` names the filter."""
        name = described["filterName"]
        try:
            (transformation,) = described["metricTransformations"]
            dimensions = transformation.get("dimensions") or {}
            default = transformation.get("defaultValue")
            if dimensions and default is not None:
                raise NotUnderstood("a metric with dimensions cannot have a default value")
            if len(dimensions) > MAX_DIMENSIONS:
                raise NotUnderstood(f"there are at most {MAX_DIMENSIONS} dimensions")
            return cls(
                name=name,
                log_group=described["logGroupName"],
                created_at_ms=described["creationTime"],
                namespace=transformation["metricNamespace"],
                metric=transformation["metricName"],
                unit=transformation.get("unit") or "None",
                default=default,
                _matches=filter_pattern.parse(described["filterPattern"]),
                _value=_value(transformation["metricValue"]),
                _dimensions={key: filter_pattern.selector(text) for key, text in dimensions.items()},
            )
        except (NotUnderstood, ValueError) as error:
            raise NotUnderstood(f"the metric filter {name} is not understood: {error}") from error

    def data(self, events: Iterable[tuple[LogEvent, Any]]) -> list[Datum]:
        """What the filter publishes for these log events. A filter applies only to events after its creation."""
        published = []
        for event, content in events:
            if event.at_ms < self.created_at_ms:
                continue
            minute = event.at_ms // MINUTE_MS
            matches = content is not MISSING and self._matches(content)
            self._minutes[minute] = self._minutes.get(minute, False) or matches
            if matches and (datum := self._datum(event, content)):
                published.append(datum)
        return published

    def defaults(self, now_ms: int) -> list[Datum]:
        """The default value of each minute that is over, had log events, and had none that matched."""
        over = [minute for minute in self._minutes if (minute + 1) * MINUTE_MS + GRACE_MS <= now_ms]
        unmatched = [minute for minute in over if not self._minutes.pop(minute)]
        if self.default is None:
            return []
        return [self._at(minute * MINUTE_MS, self.default, ()) for minute in unmatched]

    def _datum(self, event: LogEvent, content: Any) -> Datum | None:
        """None if the value is not a number, or if a dimension is missing: nothing is published then."""
        value = self._value(content)
        dimensions = [(key, _dimension(select(content))) for key, select in self._dimensions.items()]
        if value is None:
            return None
        known = [(key, text) for key, text in dimensions if text is not None]
        return self._at(event.at_ms, value, tuple(known)) if len(known) == len(dimensions) else None

    def _at(self, at_ms: int, value: float, dimensions: tuple[tuple[str, str], ...]) -> Datum:
        return Datum(self.namespace, self.metric, dimensions, self.unit, value, at_ms)


def _value(text: str) -> Callable[[Any], float | None]:
    """A number, or the property that has it."""
    if text.startswith("$"):
        select = filter_pattern.selector(text)
        return lambda content: filter_pattern.number(select(content))
    literal = float(text)
    return lambda _content: literal


def _dimension(value: Any) -> str | None:
    """A dimension's value: CloudWatch API Reference, Dimension, wants 1 to 1024 characters."""
    if isinstance(value, str):
        return value[:1024] or None
    return json.dumps(value) if filter_pattern.number(value) is not None else None
