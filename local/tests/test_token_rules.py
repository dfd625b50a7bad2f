from __future__ import annotations

import base64
import json
import unittest
from typing import Any

from local import token_rules

NOW = 1_800_000_000
HEADER = {"alg": "RS256", "kid": "key-1"}
CLAIMS = {"iss": "https://login.example.com", "aud": "page", "exp": NOW + 60}


def part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def problem(header: Any, claims: Any) -> str | None:
    return token_rules.problem(f"{part(header)}.{part(claims)}.c2lnbmVk", NOW)


class Problem(unittest.TestCase):
    def test_complete_tokens_are_left_to_the_emulator(self) -> None:
        without_audience = {name: value for name, value in CLAIMS.items() if name != "aud"}
        for claims in (
            CLAIMS,
            {**CLAIMS, "aud": ["page", "other"]},
            {**without_audience, "client_id": "page"},
            {**CLAIMS, "nbf": NOW - 1, "iat": NOW},
        ):
            self.assertIsNone(problem(HEADER, claims), claims)

    def test_headers_that_are_refused(self) -> None:
        for header in ({**HEADER, "alg": alg} for alg in ("none", "None", "HS256", "ES256", "rs256", None)):
            self.assertEqual(problem(header, CLAIMS), "its algorithm is not based on RSA", header)
        self.assertEqual(problem({"alg": "RS256"}, CLAIMS), "it names no key")

    def test_claims_that_are_refused(self) -> None:
        for changes, why in (
            ({"iss": None}, "it names no issuer"),
            ({"aud": 1}, "it has no audience that is a text"),
            ({"aud": []}, "it has no audience that is a text"),
            ({"aud": None, "client_id": "page"}, "it has no audience that is a text"),
            ({"exp": None}, "it has no end, or has ended"),
            ({"exp": NOW}, "it has no end, or has ended"),
            ({"exp": True}, "it has no end, or has ended"),
            ({"exp": str(NOW + 60)}, "it has no end, or has ended"),
            ({"nbf": NOW + 1}, "it is not valid yet"),
            ({"nbf": "0"}, "it is not valid yet"),
            ({"iat": NOW + 1}, "it is not valid yet"),
        ):
            self.assertEqual(problem(HEADER, {**CLAIMS, **changes}), why, changes)

    def test_what_is_not_a_token_is_refused(self) -> None:
        self.assertEqual(token_rules.problem("a.b", NOW), "it does not have three parts")
        for header, claims in (([], CLAIMS), (HEADER, "claims")):
            self.assertEqual(problem(header, claims), "its header or its claims are not a JSON object")
        for token in ("a.b.c", "é.é.c", f"{part(HEADER)}.****.c"):
            self.assertEqual(token_rules.problem(token, NOW), "its header or its claims are not a JSON object", token)


class AsPassed(unittest.TestCase):
    def test_every_claim_is_a_text(self) -> None:
        claims = {"sub": "s-1", "email_verified": False, "exp": NOW, "aud": ["a", "b"]}
        expected = {"sub": "s-1", "email_verified": "false", "exp": str(NOW), "aud": "[a b]"}
        self.assertEqual(token_rules.as_passed(claims), expected)
