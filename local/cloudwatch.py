"""What the emulator's CloudWatch lacks: metric filters that count, the metrics of queues, and alarms that follow.

A process beside the emulator does it, every second. The emulator keeps metric filters and does not apply them. This
process reads the log groups, applies the deployed filters, and puts the data into the emulator's CloudWatch, with the
times of the log events. It puts the metrics of SQS that alarms need, and evaluates the alarms.
"""

from __future__ import annotations

import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local import alarms, filter_pattern
from local.alarms import BUCKET_SECONDS, Alarm
from local.console import Problem, tail
from local.environment import for_clients
from local.metric_filters import Datum, LogEvent, MetricFilter, read
from local.paths import SAM_BIN
from local.processes import child
from local.stack import ROOT, client

INTERVAL_SECONDS = 1.0
# Lines of concurrent invocations may appear that much out of order.
OVERLAP_MS = 10_000
# CloudWatch Logs API Reference, FilterLogEvents.
MAX_EVENTS = 10_000
# CloudWatch API Reference, PutMetricData and GetMetricData.
MAX_DATA = 1_000
MAX_QUERIES = 500
# SQS Developer Guide, "Monitoring Amazon SQS queues using CloudWatch": one value per minute. A change is put at once.
QUEUE_SECONDS = 60
# The namespaces that have data here. Nothing publishes the metrics of SES, so their alarms stay as they are.
EVALUATED = ("Registrar/", "AWS/ApiGateway", "AWS/Lambda", "AWS/SQS")


@contextmanager
def running(endpoint: str, directory: Path) -> Iterator[None]:
    """The process, while the block runs. Refuses filters and alarms that it does not understand."""
    try:
        _filters(endpoint)
        _CloudWatch(endpoint).read()
    except (filter_pattern.NotUnderstood, alarms.NotUnderstood) as error:
        raise Problem(f"{error} (local/cloudwatch.py)") from error
    log = directory / "cloudwatch.log"
    with child([SAM_BIN / "python", "-m", "local.cloudwatch", endpoint], for_clients(endpoint), log) as process:
        yield
        if process.poll() is not None:
            raise Problem(f"the metrics of the local AWS stopped unexpectedly\n{tail(log)}")


def _filters(endpoint: str) -> list[MetricFilter]:
    pages = client("logs", endpoint, ROOT).get_paginator("describe_metric_filters").paginate()
    return [MetricFilter.parse(each) for page in pages for each in page["metricFilters"]]


class _LogGroup:
    """Reads each log event of a group once."""

    def __init__(self, logs: Any, name: str, since_ms: int) -> None:
        self._logs = logs
        self._name = name
        self._since_ms = since_ms
        # The events from `_since_ms` on that were read: how many, per stream and time.
        self._read: Counter[tuple[str, int]] = Counter()

    def new_events(self) -> list[LogEvent]:
        found, start, complete = [], self._since_ms, False
        seen: Counter[tuple[str, int]] = Counter()
        while not complete:
            page = self._logs.filter_log_events(logGroupName=self._name, startTime=start, limit=MAX_EVENTS)["events"]
            # The events of the last millisecond come again with the next page.
            complete = len(page) < MAX_EVENTS or page[-1]["timestamp"] == start
            events = page if complete else [each for each in page if each["timestamp"] < page[-1]["timestamp"]]
            for event in events:
                key = (event["logStreamName"], event["timestamp"])
                seen[key] += 1
                if seen[key] > self._read[key]:
                    found.append(LogEvent(event["timestamp"], event["message"]))
            start = page[-1]["timestamp"] if page else start
        self._since_ms = max(self._since_ms, start - OVERLAP_MS)
        self._read = Counter({key: count for key, count in seen.items() if key[1] >= self._since_ms})
        return found


class _Queues:
    """The metrics of the queues: SQS Developer Guide, "Available CloudWatch metrics for Amazon SQS"."""

    _COUNTS = (
        ("ApproximateNumberOfMessagesVisible", "ApproximateNumberOfMessages"),
        ("ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesNotVisible"),
    )

    def __init__(self, endpoint: str) -> None:
        self._sqs = client("sqs", endpoint, ROOT)
        self._urls: list[str] = self._sqs.list_queues().get("QueueUrls", [])
        self._last: dict[tuple[str, str], tuple[float, float]] = {}

    def data(self, now: float) -> list[Datum]:
        published = []
        for url in self._urls:
            names = [attribute for _, attribute in self._COUNTS]
            counts = self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
            queue = url.rsplit("/", 1)[-1]
            for metric, attribute in self._COUNTS:
                value = float(counts[attribute])
                last, at = self._last.get((queue, metric), (-1.0, 0.0))
                if value != last or now - at >= QUEUE_SECONDS:
                    self._last[queue, metric] = (value, now)
                    dimensions = (("QueueName", queue),)
                    published.append(Datum("AWS/SQS", metric, dimensions, "Count", value, int(now * 1000)))
        return published


class _CloudWatch:
    def __init__(self, endpoint: str) -> None:
        self._client = client("cloudwatch", endpoint, ROOT)

    def put(self, data: Iterable[Datum]) -> None:
        by_namespace: dict[str, list[dict[str, Any]]] = {}
        for each in data:
            by_namespace.setdefault(each.namespace, []).append(
                {
                    "MetricName": each.name,
                    "Dimensions": [{"Name": key, "Value": value} for key, value in each.dimensions],
                    "Timestamp": each.at_ms / 1000,
                    "Unit": each.unit,
                    "Value": each.value,
                }
            )
        for namespace, metric_data in by_namespace.items():
            for at in range(0, len(metric_data), MAX_DATA):
                self._client.put_metric_data(Namespace=namespace, MetricData=metric_data[at : at + MAX_DATA])

    def read(self) -> list[Alarm]:
        pages = self._client.get_paginator("describe_alarms").paginate(AlarmTypes=["MetricAlarm"])
        described = [each for page in pages for each in page["MetricAlarms"]]
        return [Alarm.parse(each) for each in described if each["Namespace"].startswith(EVALUATED)]

    def evaluate(self, now: int) -> None:
        """Sets the state of each alarm that has changed."""
        evaluated = self.read()
        for at in range(0, len(evaluated), MAX_QUERIES):
            some = evaluated[at : at + MAX_QUERIES]
            for alarm, buckets in zip(some, self._buckets(some, now), strict=True):
                state = alarm.evaluate(buckets, now)
                if state != alarm.state:
                    reason = f"{alarm.statistic} of {alarm.metric} in {alarm.evaluation_periods} periods"
                    self._client.set_alarm_state(AlarmName=alarm.name, StateValue=state, StateReason=reason)

    def _buckets(self, evaluated: list[Alarm], now: int) -> list[dict[int, float]]:
        queries = []
        for number, alarm in enumerate(evaluated):
            metric = {"Namespace": alarm.namespace, "MetricName": alarm.metric, "Dimensions": alarm.dimensions}
            stat = {"Metric": metric, "Period": BUCKET_SECONDS, "Stat": alarm.statistic}
            queries.append({"Id": f"a{number}", "MetricStat": stat})
        reach = max(alarm.reach for alarm in evaluated)
        response = self._client.get_metric_data(
            MetricDataQueries=queries, StartTime=now - reach, EndTime=now + BUCKET_SECONDS
        )
        by_id = {each["Id"]: each for each in response["MetricDataResults"]}
        results = [by_id[query["Id"]] for query in queries]
        return [
            {int(at.timestamp()): value for at, value in zip(each["Timestamps"], each["Values"], strict=True)}
            for each in results
        ]


class _Follower:
    def __init__(self, endpoint: str) -> None:
        self._filters = _filters(endpoint)
        logs = client("logs", endpoint, ROOT)
        groups = {each.log_group for each in self._filters}
        created = {name: min(f.created_at_ms for f in self._filters if f.log_group == name) for name in groups}
        self._groups = {name: _LogGroup(logs, name, since) for name, since in created.items()}
        self._queues = _Queues(endpoint)
        self._watch = _CloudWatch(endpoint)
        # Kept if a call fails: each log event is read only once.
        self._unpublished: list[Datum] = []

    def step(self) -> None:
        now = time.time()
        self._unpublished += self._queues.data(now)
        for name, group in self._groups.items():
            events = [(event, read(event)) for event in group.new_events()]
            for each in self._filters:
                if each.log_group == name:
                    self._unpublished += each.data(events) + each.defaults(int(now * 1000))
        self._watch.put(self._unpublished)
        self._unpublished = []
        self._watch.evaluate(int(time.time()))


def _follow(endpoint: str) -> None:
    follower = _Follower(endpoint)
    while True:
        try:
            follower.step()
        except (BotoCoreError, ClientError):
            # The emulator is busy, or a journey has just deleted what was asked for.
            traceback.print_exc()
        time.sleep(INTERVAL_SECONDS)


if __name__ == "__main__":
    _follow(sys.argv[1])
