"""Serves the example page of examples/browser, with the addresses of the local stack.

Its arguments are the port, and the content of config.json.
"""

from __future__ import annotations

import sys
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from local.paths import EXAMPLE_PAGE


class Handler(SimpleHTTPRequestHandler):
    config = b"{}"

    def do_GET(self) -> None:
        if self.path != "/config.json":
            super().do_GET()
            return
        self.send_response(HTTPStatus.OK)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(self.config)))
        self.end_headers()
        self.wfile.write(self.config)

    def end_headers(self) -> None:
        # An edit of the page shows at the next load.
        self.send_header("cache-control", "no-store")
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Logs nothing: the paths have codes."""


if __name__ == "__main__":
    Handler.config = sys.argv[2].encode()
    handler = partial(Handler, directory=str(EXAMPLE_PAGE))
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), handler).serve_forever()
