"""Enrolls a student: python3 enroll.py STUDENT COURSE EMAIL NAME [PAYMENT_METHOD].

Needs the packages requests and requests-aws4auth, the address of the API in API, and AWS credentials.
"""

from __future__ import annotations

import os
import sys
import time
from http import HTTPStatus

import requests
from requests_aws4auth import AWS4Auth

FIELDS = ("student_id", "course_id", "email", "name", "payment_method")
MAX_TRIES = 5
# API Gateway responds within 30 s.
TIMEOUT_SECONDS = 35


def enroll(request: dict[str, str]) -> requests.Response:
    """Sends the request, and repeats it as long as the API says when: it never charges or enrolls twice."""
    key = AWS4Auth(
        os.environ["AWS_ACCESS_KEY_ID"],
        os.environ["AWS_SECRET_ACCESS_KEY"],
        os.environ.get("AWS_REGION", "us-east-1"),
        "execute-api",
        session_token=os.environ.get("AWS_SESSION_TOKEN"),
    )
    for attempt in range(1, MAX_TRIES + 1):
        response = requests.post(f"{os.environ['API']}/enrollments", json=request, auth=key, timeout=TIMEOUT_SECONDS)
        wait = response.headers.get("Retry-After")
        if response.status_code != HTTPStatus.SERVICE_UNAVAILABLE or wait is None or attempt == MAX_TRIES:
            break
        time.sleep(int(wait))
    return response


def describe(status: int, body: dict) -> str:
    data = body.get("data", {})
    match status:
        case HTTPStatus.CREATED:
            return f"enrolled: {data['enrollment']['id']}"
        case HTTPStatus.OK:
            return f"enrolled already: {data['enrollment']['id']}"
        case HTTPStatus.PAYMENT_REQUIRED if data["payment"] == "requires_action":
            return "the bank asks the student: continue with client_secret in Stripe.js"
        case HTTPStatus.PAYMENT_REQUIRED:
            return f"not paid: {data['message']}"
        case _:  # The wrong fields, or a message.
            return f"refused with {status}: {data or body.get('message')}"


response = enroll(dict(zip(FIELDS, sys.argv[1:], strict=False)))
print(describe(response.status_code, response.json()))
sys.exit(0 if response.ok else 1)
