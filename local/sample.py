"""The sample of `make run`: a catalogue, a student who enrolls, and the email that arrives."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from typing import Any

from local.console import Problem, step
from local.emulator import Emulator
from local.environment import DEFAULT_PORT
from local.paths import HERE
from local.signing import signed
from local.stack import Credentials, Stack, client

EMAIL_SECONDS = 60
# Emails that are shown in full per poll. More are only counted.
MAX_SHOWN = 3
_STUDENT = {
    "student_id": "student-1",
    "course_id": "rust-on-lambda",
    "email": "ada@example.com",
    "name": "Ada Lovelace",
}
_BUYER = {
    "student_id": "student-3",
    "course_id": "serverless-payments",
    "email": "katherine@example.com",
    "name": "Katherine Johnson",
    "payment_method": "pm_card_visa",
}
_NEXT_STUDENT = {
    "student_id": "student-2",
    "course_id": "queues-and-limits",
    "email": "grace@example.com",
    "name": "Grace Hopper",
}


def load_catalogue(stack: Stack) -> None:
    courses = json.loads((HERE / "catalogue.json").read_text())
    with step(f"loading a sample catalogue of {len(courses)} courses"):
        for course_id, course in courses.items():
            call(stack, stack.operator, "PUT", f"/courses/{course_id}", course)


def enroll_student(stack: Stack) -> None:
    with step(f"enrolling {_STUDENT['name']} in {_STUDENT['course_id']}"):
        call(stack, stack.caller, "POST", "/enrollments", _STUDENT)


def reconcile_payments(stack: Stack) -> None:
    """The first of the nightly comparisons: until there was one, an alarm says so."""
    with step("comparing Stripe's payments with the enrollments"):
        aws = client("lambda", stack.endpoint, stack.root)
        response = aws.invoke(FunctionName=stack.outputs["ReconcilerFunctionName"], Payload=b"{}")
        report = json.load(response["Payload"])
        if not report.get("finished"):
            raise Problem(f"the comparison did not finish: {report}")


class Mailbox:
    """Prints each email once."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator
        self._seen: set[str] = set()

    def wait(self) -> None:
        with step("waiting for the email"):
            deadline = time.monotonic() + EMAIL_SECONDS
            while not self.print_new():
                if time.monotonic() > deadline:
                    raise Problem(f"no email arrived in {EMAIL_SECONDS} s")
                time.sleep(0.2)

    def print_new(self) -> bool:
        new = [email for email in self._emulator.emails() if email["MessageId"] not in self._seen]
        self._seen.update(email["MessageId"] for email in new)
        if len(new) > MAX_SHOWN:
            print(f"  | {len(new)} emails; {len(self._seen)} so far", flush=True)
        else:
            for email in new:
                print(_as_text(email), flush=True)
        return bool(new)


def _as_text(email: dict[str, Any]) -> str:
    lines = [f"From: {email['Source']}", f"To: {', '.join(email['To'])}", f"Subject: {email['Subject']}", ""]
    lines += email["BodyText"].rstrip().splitlines()
    return "\n".join(["", *(f"  | {line}".rstrip() for line in lines), ""])


def instructions(stack: Stack, stripe_url: str, console: str, port: int) -> str:
    root = stack.root
    of_port = "" if port == DEFAULT_PORT else f" PORT={port}"
    signed = f'--aws-sigv4 "aws:amz:{stack.region}:execute-api" --user {root.access_key_id}:{root.secret_access_key}'
    return f"""\
API: {stack.api_url}

Enroll another student:

curl {signed} -H 'content-type: application/json' -d '{json.dumps(_NEXT_STUDENT)}' {stack.api_url}/enrollments

Buy a course with a test card (pm_card_chargeDeclined is declined; docs/api.md has 3-D Secure):

curl {signed} -H 'content-type: application/json' -d '{json.dumps(_BUYER)}' {stack.api_url}/enrollments

Buy it as a student, in a browser on this machine:

{stack.page}

Enroll a thousand students, in another terminal:

make crowd{of_port}

Use the stack with `registrar`, in another terminal; docs/tour.md is a tour of a quarter of an hour:

eval "$(make env{of_port})"

Watch their emails leave under the limit, in a browser on this machine:

{console}

Stripe's stand-in: {stripe_url}

Emails are shown here as they are sent. Ctrl-C here, or `make stop` in another terminal, stops everything."""


def call(stack: Stack, who: Credentials, method: str, path: str, body: object) -> None:
    """Sends a signed request that must succeed."""
    request = signed(who, method, stack.api_url + path, json.dumps(body).encode())
    try:
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30).close()
    except urllib.error.HTTPError as error:
        raise Problem(f"{method} {path} returned {error.code}: {error.read().decode(errors='replace')}") from error
