"""Builds the functions for a local AWS, the stand-in for Stripe, and the operator's command.

For AWS, SAM runs cargo-lambda, which compiles with zig in release mode. For this machine cargo-lambda uses the local
compiler in debug mode. Cargo compiles everything before SAM starts, because SAM hides the compiler's output, and a
first build takes minutes.
"""

from __future__ import annotations

import fcntl
from pathlib import Path

from local import environment, operator_page, stripe, template, tools
from local.console import say
from local.paths import SAM_BIN, SAM_CONFIG, SCRATCH, TEMPLATE
from local.processes import run

# Cargo unifies the features of all packages that it builds together. With the workspace and any one of its tests, it
# selects the same features as `cargo test --workspace`; otherwise each of the two would compile the AWS SDK.
AS_FOR_TESTS = ("--workspace", "--test", "template")


def build(directory: Path) -> Path:
    """Builds into `directory`, and returns the template to deploy."""
    with (SCRATCH / "build.lock").open("w") as lock:
        # Two concurrent builds would copy each other's binaries.
        fcntl.flock(lock, fcntl.LOCK_EX)
        say("building the functions (the first time takes minutes) ...")
        _compile()
        return _package(directory)


def template_in(directory: Path) -> Path:
    """The template that `build` leaves in a directory."""
    return directory / "build" / "template.yaml"


def _compile() -> None:
    names = [*template.binaries(), stripe.BINARY, operator_page.BINARY]
    binaries = [argument for name in names for argument in ("--bin", name)]
    command = ["cargo", "build", "--target", tools.host_target(), *binaries, *AS_FOR_TESTS]
    run(command, environment.for_builds(), "building the functions")


def _package(directory: Path) -> Path:
    template_file = template_in(directory)
    command: list[str | Path] = [SAM_BIN / "sam", "build", "--template-file", TEMPLATE]
    command += ["--build-dir", template_file.parent]
    command += ["--config-file", SAM_CONFIG, "--parameter-overrides", f"Architecture={tools.architecture()}"]
    env = {
        **environment.for_builds(),
        "SAM_BUILD_MODE": "debug",
        "CARGO_LAMBDA_COMPILER": "cargo",
        "CARGO_LAMBDA_COMPILER_EXTRA_ARGS": " ".join(AS_FOR_TESTS),
    }
    run(command, env, "sam build", directory / "sam-build.log")
    return template_file
