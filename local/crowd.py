"""Many students who enroll at once, beside `make run`: a backlog to watch while it drains under the limit."""

from __future__ import annotations

import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from local import sample
from local.console import say
from local.stack import Stack, client

# The local AWS starts a process per concurrent request, so more would only wait.
CONCURRENT_REQUESTS = 8
COURSE = "rust-on-lambda"
SECONDS_BETWEEN_REPORTS = 5


def enroll(stack: Stack, students: int) -> None:
    """Enrolls new students in a free course, and reports how fast."""
    # New students on each run.
    crowd = uuid.uuid4().hex[:8]
    say(f"enrolling {students} students in {COURSE} ...")
    started = time.monotonic()
    with ThreadPoolExecutor(CONCURRENT_REQUESTS) as requests:
        for _ in requests.map(lambda number: _enroll_one(stack, f"crowd-{crowd}-{number}"), range(students)):
            pass
    took = time.monotonic() - started
    say(f"{students} students have access, in {took:.0f} s ({students / took:.0f} per second)")


def _enroll_one(stack: Stack, student_id: str) -> None:
    student = {"student_id": student_id, "course_id": COURSE, "email": f"{student_id}@example.com", "name": "A Student"}
    sample.call(stack, stack.caller, "POST", "/enrollments", student)


class Backlog:
    """The emails that wait on the queue, and those that a worker has received."""

    def __init__(self, stack: Stack) -> None:
        self._sqs: Any = client("sqs", stack.endpoint, stack.root)
        self._queue = stack.outputs["EmailQueueUrl"]

    def size(self) -> int:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        counts = self._sqs.get_queue_attributes(QueueUrl=self._queue, AttributeNames=names)["Attributes"]
        return sum(int(counts[name]) for name in names)


def watch(backlog: Backlog) -> None:
    """Reports the backlog until it has drained. The emails go on if this is stopped."""
    started, first = time.monotonic(), backlog.size()
    while (left := backlog.size()) > 0:
        passed = time.monotonic() - started
        per_minute = (first - left) / passed * 60 if passed else 0.0
        say(f"{left} emails wait, {per_minute:.0f} sent per minute")
        time.sleep(SECONDS_BETWEEN_REPORTS)
    say("the backlog has drained")
