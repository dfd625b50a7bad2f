"""cargo-mutants, pinned, and compiled into .venv/cargo on first use."""

from __future__ import annotations

import os
import subprocess

from local.console import step
from local.paths import ENVIRONMENTS, SCRATCH
from local.processes import run

_HOME = ENVIRONMENTS / "cargo"
_MUTANTS = "27.0.0"


def with_mutants() -> dict[str, str]:
    """An environment in which cargo has the subcommand `mutants`."""
    if not _has_mutants():
        with step(f"compiling cargo-mutants {_MUTANTS} into {_HOME.relative_to(ENVIRONMENTS.parent)}/"):
            command = ["cargo", "install", "--quiet", "--locked", "--root", str(_HOME), f"cargo-mutants@{_MUTANTS}"]
            run(command, os.environ, "installing cargo-mutants", SCRATCH / "install-cargo-mutants.log")
    return {**os.environ, "PATH": f"{_HOME / 'bin'}:{os.environ['PATH']}"}


def _has_mutants() -> bool:
    listed = ["cargo", "install", "--list", "--root", str(_HOME)]
    done = subprocess.run(listed, capture_output=True, text=True, check=False)
    return f"cargo-mutants v{_MUTANTS}:" in done.stdout.splitlines()
