"""What API Gateway requires of a token beyond what the emulator does, and how it passes the claims on.

API Gateway Developer Guide, "Control access to HTTP APIs with JWT authorizers in API Gateway". The emulator itself
checks the signature, `kid`, `iss`, `aud` or `client_id`, `nbf`, `iat` and the scopes.
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

# "Only RSA-based algorithms are supported." Of those, the emulator verifies this one.
ALGORITHMS = ("RS256",)


def problem(token: str, now: float) -> str | None:
    """Why API Gateway refuses the token whatever its signature is. `None`: the emulator decides."""
    parts = token.split(".")
    if len(parts) != 3:  # noqa: PLR2004
        return "it does not have three parts"
    try:
        header, claims = (_object(part) for part in parts[:2])
    except (ValueError, binascii.Error):
        return "its header or its claims are not a JSON object"
    # `exp` must be after now, `nbf` and `iat` before.
    starts = [claims[name] for name in ("nbf", "iat") if name in claims]
    rules = (
        (header.get("alg") in ALGORITHMS, "its algorithm is not based on RSA"),
        (isinstance(header.get("kid"), str), "it names no key"),
        (isinstance(claims.get("iss"), str), "it names no issuer"),
        (_has_audience(claims), "it has no audience that is a text"),
        (_is_time(claims.get("exp")) and claims["exp"] > now, "it has no end, or has ended"),
        (all(_is_time(start) and start <= now for start in starts), "it is not valid yet"),
    )
    return next((why for holds, why in rules if not holds), None)


def as_passed(claims: dict[str, Any]) -> dict[str, str]:
    """The claims as an integration gets them: every value is a text (aws-lambda-go, APIGatewayV2HTTPRequest)."""
    return {name: _text(value) for name, value in claims.items()}


def _has_audience(claims: dict[str, Any]) -> bool:
    """`client_id` counts only without `aud`."""
    audience = claims["aud"] if "aud" in claims else claims.get("client_id")
    values = audience if isinstance(audience, list) else [audience]
    return bool(values) and all(isinstance(value, str) for value in values)


def _is_time(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _text(value: Any) -> str:
    if isinstance(value, list):
        return f"[{' '.join(_text(each) for each in value)}]"
    return value if isinstance(value, str) else json.dumps(value)


def _object(part: str) -> dict[str, Any]:
    padded = part + "=" * (-len(part) % 4)
    value = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    if not isinstance(value, dict):
        raise ValueError("not an object")
    return value
