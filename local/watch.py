"""`make watch`: the functions under `cargo lambda watch`, and `registrar pump`, which invokes them with their messages.

`make run` gives its queues up meanwhile; see local/takeover.py.
"""

from __future__ import annotations

import time
from pathlib import Path

from local import environment, instance, operator_page, takeover
from local.console import Problem
from local.emulator import is_free
from local.processes import child
from local.stack import NAME, Stack, client

# That of `cargo lambda watch`, which `cargo lambda invoke` expects.
SERVER_PORT = 9000


def run(stack: Stack, port: int) -> None:
    """Until it is stopped, or one of the programs ends."""
    if instance.is_running(takeover.WATCH, port):
        raise Problem(f"`make watch` already runs beside port {port}")
    if not is_free(SERVER_PORT):
        raise Problem(f"port {SERVER_PORT} is taken: another `cargo lambda watch` may use it")
    with instance.directory(takeover.WATCH, port):
        ended = _serve(stack, port)
    raise Problem(f"{ended} ended")


def _serve(stack: Stack, port: int) -> str:
    """Returns which program ended."""
    env = environment.for_clients(stack.endpoint)
    with child(_server(port), env) as server:
        takeover.wait_until_off(client("lambda", stack.endpoint, stack.root))
        # The pump ends first: it gives back to the queue what the functions do not finish.
        with child(_pump(), env) as pump:
            while True:
                if pump.poll() is not None:
                    return "`registrar pump`"
                if server.poll() is not None:
                    return "`cargo lambda watch`"
                if not instance.is_running("up", port):
                    return "`make run`"
                time.sleep(0.2)


def _server(port: int) -> list[str | Path]:
    functions = f".local/up-{port}/functions.env"
    return ["cargo", "lambda", "watch", "-A", "127.0.0.1", "-P", str(SERVER_PORT), "--env-file", functions]


def _pump() -> list[str | Path]:
    return [operator_page.program(), "pump", "--stack", NAME, "--server", f"http://127.0.0.1:{SERVER_PORT}"]
