"""What a user's shell needs to use the stack of `make run`: behind `make env`."""

from __future__ import annotations

import shlex
from pathlib import Path

from local import environment, tools
from local.paths import TARGET
from local.stack import Stack

# As in local/environment.py: nothing in this shell may reach the real AWS.
_FORGET_AMBIENT_AWS = "unset $(env | sed -n 's/^\\(AWS_[A-Z0-9_]*\\)=.*/\\1/p')"


def script(stack: Stack, logs: Path) -> str:
    """For `eval`."""
    variables = {
        **environment.for_shell(stack.endpoint),
        "API": stack.api_url,
        "REGISTRAR_API_URL": stack.api_url,
        "STRIPE": stack.function_environment["STRIPE_API_URL"],
        "LOGS": str(logs),
    }
    binaries = TARGET.resolve() / tools.host_target() / "debug"
    lines = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    return "\n".join([_FORGET_AMBIENT_AWS, *lines, f'export PATH={shlex.quote(str(binaries))}:"$PATH"'])
