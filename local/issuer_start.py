"""An OpenID Connect issuer beside the local AWS: whoever fills in its form is signed in as that student.

For tests it also signs any claims, with any header. Its arguments are the port, and the address and the client id of
the only page that it signs in for.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import html
import json
import secrets
import sys
import time
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

TOKEN_SECONDS = 3600
CODE_SECONDS = 60
MAX_BODY_BYTES = 64 * 1024
KEY_ID = "local-1"

_FORM = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Sign in</title>
<h1>Sign in to the local stack</h1>
<p>There is no password: you are whoever you say.</p>
<form method="post" action="/authorize">{hidden}
<p><label>Student id <input name="sub" value="student-4" required></label></p>
<p><label>Name <input name="name" value="Mary Jackson" required></label></p>
<p><label>Email <input name="email" type="email" value="mary@example.com" required></label></p>
<p><button>Sign in</button></p>
</form>
</html>
"""


class Refused(Exception):
    """A request that the issuer refuses, with the reason."""


@dataclass(frozen=True)
class Grant:
    """What a code is exchanged for."""

    claims: dict[str, Any]
    challenge: str
    until: float


class Issuer:
    def __init__(self, url: str, page: str, client_id: str) -> None:
        self.url, self.page, self.client_id = url, page, client_id
        self._published = rsa.generate_private_key(65537, 2048)
        self._unpublished = rsa.generate_private_key(65537, 2048)
        self._grants: dict[str, Grant] = {}

    def discovery(self) -> dict[str, Any]:
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "code_challenge_methods_supported": ["S256"],
        }

    def keys(self) -> dict[str, Any]:
        numbers = self._published.public_key().public_numbers()
        key = {"n": _number(numbers.n), "e": _number(numbers.e)}
        return {"keys": [{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": KEY_ID, **key}]}

    def form(self, query: dict[str, str]) -> str:
        self._check(query)
        hidden = "".join(
            f'<input type="hidden" name="{html.escape(name)}" value="{html.escape(value)}">'
            for name, value in query.items()
        )
        return _FORM.format(hidden=hidden)

    def sign_in(self, form: dict[str, str]) -> str:
        """The address of the page to return to, with a code."""
        self._check(form)
        claims = {"email_verified": True, "nonce": form.get("nonce", "")}
        for name in ("sub", "name", "email"):
            if not form.get(name):
                raise Refused(f"{name} is missing")
            claims[name] = form[name]
        code = secrets.token_urlsafe(16)
        self._grants[code] = Grant(claims, form["code_challenge"], time.monotonic() + CODE_SECONDS)
        return f"{self.page}?{urlencode({'code': code, 'state': form.get('state', '')})}"

    def redeem(self, form: dict[str, str]) -> dict[str, Any]:
        """The tokens for a code, which works once (RFC 6749, section 4.1.3; RFC 7636, section 4.6)."""
        grant = self._grants.pop(form.get("code", ""), None)
        challenge = _text(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        if grant is None or grant.until < time.monotonic() or challenge != grant.challenge:
            raise Refused("the code or its verifier is wrong")
        if form.get("grant_type") != "authorization_code" or form.get("client_id") != self.client_id:
            raise Refused("grant_type or client_id is wrong")
        if form.get("redirect_uri") != self.page:
            raise Refused("redirect_uri is another page")
        now = int(time.time())
        times = {"iat": now, "exp": now + TOKEN_SECONDS}
        token = self.token({}, {**grant.claims, **times, "iss": self.url, "aud": self.client_id}, "published")
        return {"id_token": token, "access_token": token, "token_type": "Bearer", "expires_in": TOKEN_SECONDS}

    def token(self, header: dict[str, Any], claims: dict[str, Any], key: str) -> str:
        """A token with exactly these claims. The header's fields replace the usual ones."""
        header = {"alg": "RS256", "typ": "JWT", "kid": KEY_ID, **header}
        signed = f"{_text(json.dumps(header).encode())}.{_text(json.dumps(claims).encode())}"
        return f"{signed}.{_text(self._signature(header['alg'], key, signed.encode()))}"

    def _signature(self, algorithm: str, key: str, signed: bytes) -> bytes:
        if algorithm == "none":
            return b""
        if algorithm == "HS256":
            # With the public key as the secret, which everybody knows.
            public = self._published.public_key().public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
            return hmac.digest(public, signed, "sha256")
        if algorithm == "RS256" and key in ("published", "unpublished"):
            private = self._published if key == "published" else self._unpublished
            return private.sign(signed, padding.PKCS1v15(), hashes.SHA256())
        raise Refused("this algorithm or key is unknown")

    def _check(self, request: dict[str, str]) -> None:
        for name, expected in (
            ("response_type", "code"),
            ("client_id", self.client_id),
            ("redirect_uri", self.page),
            ("code_challenge_method", "S256"),
        ):
            if request.get(name) != expected:
                raise Refused(f"{name} is not {expected}")
        if not request.get("code_challenge"):
            raise Refused("code_challenge is missing")


class Handler(BaseHTTPRequestHandler):
    issuer: Issuer

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        if url.path == "/.well-known/openid-configuration":
            self._respond(self.issuer.discovery())
        elif url.path == "/keys":
            self._respond(self.issuer.keys())
        elif url.path == "/authorize":
            self._refuse_or(lambda: self._respond(self.issuer.form(dict(parse_qsl(url.query)))))
        else:
            self.send_error(HTTPStatus.NOT_FOUND)

    def do_POST(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        if length > MAX_BODY_BYTES:
            self.send_error(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            return
        body = self.rfile.read(length)
        if self.path == "/authorize":
            self._refuse_or(lambda: self._redirect(self.issuer.sign_in(dict(parse_qsl(body.decode())))))
        elif self.path == "/token":
            self._refuse_or(lambda: self._respond(self.issuer.redeem(dict(parse_qsl(body.decode())))))
        elif self.path == "/_test/tokens":
            wanted = json.loads(body)
            token = self.issuer.token(wanted.get("header", {}), wanted["claims"], wanted.get("key", "published"))
            self._respond({"token": token})
        else:
            self.send_error(HTTPStatus.NOT_FOUND)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Logs nothing: the paths have codes."""

    def _refuse_or(self, respond: Any) -> None:
        try:
            respond()
        except Refused as refusal:
            error = {"error": "invalid_request", "error_description": str(refusal)}
            self._respond(error, HTTPStatus.BAD_REQUEST)

    def _respond(self, content: dict[str, Any] | str, status: HTTPStatus = HTTPStatus.OK) -> None:
        is_page = isinstance(content, str)
        body = (content if isinstance(content, str) else json.dumps(content)).encode()
        self.send_response(status)
        self.send_header("content-type", "text/html; charset=utf-8" if is_page else "application/json")
        self.send_header("content-length", str(len(body)))
        self.send_header("cache-control", "no-store")
        # The page reads the configuration and the tokens. Its origin is its address without the path.
        self.send_header("access-control-allow-origin", self.issuer.page.rstrip("/"))
        self.end_headers()
        self.wfile.write(body)

    def _redirect(self, address: str) -> None:
        self.send_response(HTTPStatus.SEE_OTHER)
        self.send_header("location", address)
        self.send_header("content-length", "0")
        self.end_headers()


def _number(value: int) -> str:
    return _text(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


if __name__ == "__main__":
    port, page, client_id = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    Handler.issuer = Issuer(f"http://127.0.0.1:{port}", page, client_id)
    ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
