"""Authorizes the requests of schemathesis, each as the role that may call its route, or as a student.

The journey tests/journeys/contract.rs passes the keys and the token.
"""

from __future__ import annotations

import os

import requests
import schemathesis  # type: ignore[import-not-found]
from requests_aws4auth import AWS4Auth  # type: ignore[import-not-found]


class _Key(AWS4Auth):  # type: ignore[misc]
    @staticmethod
    def amz_norm_whitespace(text: str) -> str:
        """AWS: "Create a signed AWS API request". The library's own raises an error for half a quotation."""
        return " ".join(text.split())


def _key_of(role: str) -> _Key:
    return _Key(
        os.environ[f"{role}_ACCESS_KEY_ID"],
        os.environ[f"{role}_SECRET_ACCESS_KEY"],
        os.environ["AWS_REGION"],
        "execute-api",
    )


class _Token(requests.auth.AuthBase):
    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {os.environ['STUDENT_TOKEN']}"
        return request


_as = schemathesis.auth.set_from_requests
_as(_key_of("CALLER")).apply_to(method=["GET", "POST"], path_regex="^/(enrollments|add-user-to-course|courses)")
_as(_key_of("OPERATOR")).apply_to(method="PUT", path_regex="^/courses/")
_as(_key_of("PAYMENTS_OPERATOR")).apply_to(path_regex="^/operator/")
_as(_Token()).apply_to(path_regex="^/student/")
