"""Signs the requests of schemathesis, each with the key of the role that may call its route.

The journey tests/journeys/contract.rs passes the keys.
"""

from __future__ import annotations

import os

import schemathesis  # type: ignore[import-not-found]
from requests_aws4auth import AWS4Auth  # type: ignore[import-not-found]


def _key_of(role: str) -> AWS4Auth:
    return AWS4Auth(
        os.environ[f"{role}_ACCESS_KEY_ID"],
        os.environ[f"{role}_SECRET_ACCESS_KEY"],
        os.environ["AWS_REGION"],
        "execute-api",
    )


_sign = schemathesis.auth.set_from_requests
_sign(_key_of("CALLER")).apply_to(method=["GET", "POST"], path_regex="^/(enrollments|add-user-to-course|courses)")
_sign(_key_of("OPERATOR")).apply_to(method="PUT", path_regex="^/courses/")
_sign(_key_of("PAYMENTS_OPERATOR")).apply_to(path_regex="^/operator/")
