"""What a student's browser needs beside the API: an issuer of tokens, and the example page.

Both are processes on ports of loopback. The template gets their addresses as parameters, so they are chosen first.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from local import environment
from local.emulator import free_port, is_free
from local.servers import serving

CLIENT_ID = "registrar-page"


@dataclass(frozen=True)
class Addresses:
    issuer_port: int
    page_port: int

    @property
    def issuer(self) -> str:
        return environment.endpoint(self.issuer_port)

    @property
    def page(self) -> str:
        return f"{environment.endpoint(self.page_port)}/"

    def parameters(self) -> dict[str, str]:
        """The template's. Without them only signed requests are accepted."""
        return {
            "AuthMode": "JWT",
            "JwtIssuer": self.issuer,
            "JwtAudience": CLIENT_ID,
            "CorsOrigins": environment.endpoint(self.page_port),
        }


def choose(port: int) -> Addresses:
    """Ports near that of the local AWS, so that `make run` has the same ones each time if they are free."""
    page_port, issuer_port = (near if is_free(near) else free_port() for near in (port + 2, port + 3))
    return Addresses(issuer_port, page_port)


@contextmanager
def issuer(addresses: Addresses, directory: Path) -> Iterator[None]:
    """An issuer, for the duration of the block."""
    arguments = [str(addresses.issuer_port), addresses.page, CLIENT_ID]
    with _server("issuer_start", arguments, addresses.issuer_port, directory / "issuer.log"):
        yield


@contextmanager
def page(addresses: Addresses, api_url: str, directory: Path) -> Iterator[None]:
    """The example page of this API, for the duration of the block."""
    config = json.dumps({"api": api_url, "issuer": addresses.issuer, "client_id": CLIENT_ID})
    with _server("page_start", [str(addresses.page_port), config], addresses.page_port, directory / "page.log"):
        yield


@contextmanager
def _server(module: str, arguments: list[str], port: int, log: Path) -> Iterator[None]:
    command = [sys.executable, "-m", f"local.{module}", *arguments]
    with serving(module.removesuffix("_start"), command, port, log):
        yield
