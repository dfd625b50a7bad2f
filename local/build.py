"""Builds the functions for a local AWS, the stand-in for Stripe, and the operator's command; or those of a release.

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
    names = [*template.functions().values(), stripe.BINARY, operator_page.BINARY]
    binaries = [argument for name in names for argument in ("--bin", name)]
    command = ["cargo", "build", "--target", tools.host_target(), *binaries, *AS_FOR_TESTS]
    run(command, environment.for_builds(), "building the functions")


def _package(directory: Path) -> Path:
    env = {
        "SAM_BUILD_MODE": "debug",
        "CARGO_LAMBDA_COMPILER": "cargo",
        "CARGO_LAMBDA_COMPILER_EXTRA_ARGS": " ".join(AS_FOR_TESTS),
    }
    return _sam_build(directory, env)


def build_for_release(directory: Path) -> tuple[Path, Path]:
    """Builds what a release has, for this machine's architecture: returns the template to deploy, and the command.

    The command is built as the functions are, so that it needs no newer C library than theirs.
    """
    template_file = _sam_build(directory, {})
    command: list[str | Path] = [
        SAM_BIN / "cargo-lambda",
        "lambda",
        "build",
        "--release",
        "--bin",
        operator_page.BINARY,
    ]
    run([*command, "--lambda-dir", directory / "command"], environment.for_builds(), "building the command")
    # cargo-lambda gives every binary the name that Lambda wants.
    return template_file, directory / "command" / operator_page.BINARY / "bootstrap"


def _sam_build(directory: Path, env: dict[str, str]) -> Path:
    template_file = template_in(directory)
    command: list[str | Path] = [SAM_BIN / "sam", "build", "--template-file", TEMPLATE, "--config-file", SAM_CONFIG]
    command += ["--build-dir", template_file.parent, "--parameter-overrides", f"Architecture={tools.architecture()}"]
    run(command, {**environment.for_builds(), **env}, "sam build", directory / "sam-build.log")
    return template_file
