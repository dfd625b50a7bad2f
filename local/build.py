"""Builds the functions for a local AWS.

For AWS, SAM has cargo-lambda compile with zig, in release mode. For this machine it has cargo-lambda use the machine's
own compiler in debug mode, and cargo has compiled everything by the time that SAM asks: SAM swallows the compiler's
output, and a first build takes minutes that should be watched.
"""

from __future__ import annotations

import fcntl
from pathlib import Path

from local import environment, tools
from local.console import say
from local.paths import SAM_BIN, SAM_CONFIG, SCRATCH, TEMPLATE
from local.processes import run

FUNCTIONS = ("enroll", "email-worker", "email-feedback", "hold-watch", "resumer")

# Cargo unifies the features of all that it is asked to build together. Naming the workspace, and any one of its tests,
# makes it see the functions as `cargo test --workspace` does; else it would compile the AWS SDK for each of the two.
AS_FOR_TESTS = ("--workspace", "--test", "template")


def build(directory: Path) -> Path:
    """Builds into `directory`, and returns the template to deploy."""
    with open(SCRATCH / "build.lock", "w") as lock:
        # Two at once would copy each other's binaries.
        fcntl.flock(lock, fcntl.LOCK_EX)
        say("building the functions (the first time takes minutes) ...")
        _compile()
        return _package(directory)


def _compile() -> None:
    binaries = [argument for name in FUNCTIONS for argument in ("--bin", name)]
    command = ["cargo", "build", "--target", tools.host_target(), *binaries, *AS_FOR_TESTS]
    run(command, environment.for_builds(), "building the functions")


def _package(directory: Path) -> Path:
    output = directory / "build"
    command: list[str | Path] = [SAM_BIN / "sam", "build", "--template-file", TEMPLATE, "--build-dir", output]
    command += ["--config-file", SAM_CONFIG, "--parameter-overrides", f"Architecture={tools.architecture()}"]
    env = {
        **environment.for_builds(),
        "SAM_BUILD_MODE": "debug",
        "CARGO_LAMBDA_COMPILER": "cargo",
        "CARGO_LAMBDA_COMPILER_EXTRA_ARGS": " ".join(AS_FOR_TESTS),
    }
    run(command, env, "sam build", directory / "sam-build.log")
    return output / "template.yaml"
