"""Looks for inputs that break a parser: libFuzzer, guided by coverage, over the targets of bolero, on stable Rust.

It begins with the committed inputs. Inputs that reach more code are kept in .local/fuzz, for the next run. An input
that breaks a parser is written into `crashes` beside the committed ones, where `cargo test` reads it too.

Only one binary of tests is compiled at a time: without a target in it, instrumented code does not link. So cargo does
here what `cargo bolero` would do for a whole package, and a package with binaries has its target in its library.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from local.console import step
from local.paths import ROOT, SCRATCH, TARGET
from local.processes import run

# As cargo-bolero sets them. Its sanitizers need nightly; this code has no unsafe block.
_INSTRUMENTED = " ".join(
    [
        "--cfg fuzzing --cfg fuzzing_libfuzzer -Cpasses=sancov-module",
        "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
        "-Cllvm-args=-sanitizer-coverage-level=4",
        "-Cllvm-args=-sanitizer-coverage-pc-table",
        "-Cllvm-args=-sanitizer-coverage-trace-compares",
        "-Cllvm-args=-sanitizer-coverage-stack-depth",
    ]
)

# Longer than most requests and events; libFuzzer would try inputs of a megabyte.
_MAX_BYTES = 8192

_TIMEOUT_SECONDS = 20


@dataclass(frozen=True)
class Target:
    """A test with `bolero::check!`."""

    package: str
    # What cargo compiles of the package.
    part: tuple[str, ...]
    test: str
    # The folder of the committed inputs, from the root.
    inputs: str


TARGETS = (
    Target(
        "enroll",
        ("--lib",),
        "http::gateway::fuzz::request_has_a_response_of_the_contract_and_may_be_repeated",
        "functions/enroll/src/http/gateway/__fuzz__/request",
    ),
    Target(
        "registrar-stripe",
        ("--lib",),
        "fuzz::header_is_accepted_only_with_the_signature_of_this_body_at_this_time",
        "crates/stripe/src/__fuzz__/signature",
    ),
    Target(
        "registrar-stripe",
        ("--lib",),
        "fuzz::event_is_written_and_read_back_and_is_never_both_kinds",
        "crates/stripe/src/__fuzz__/event",
    ),
    Target(
        "registrar-email",
        ("--test", "fuzz"),
        "body_is_a_job_that_is_written_and_read_back_or_its_error_names_the_cause",
        "crates/email/tests/__fuzz__/job",
    ),
    Target(
        "email-feedback",
        ("--lib",),
        "event::fuzz::event_fits_the_ledger_whatever_its_form_or_its_error_names_the_cause",
        "functions/email-feedback/src/event/__fuzz__/event",
    ),
)


def search(seconds: int) -> None:
    """Runs each target for this long. The first run compiles the targets with instrumentation, which takes minutes."""
    for target in TARGETS:
        command = ["cargo", "test", "--quiet", "--profile", "fuzz", "--target-dir", str(TARGET / "fuzz")]
        command += ["--package", target.package, *target.part, target.test]
        with step(f"fuzzing {target.test}"):
            run([*command, "--", "--exact", "--nocapture"], _environment(target, seconds), target.test)


def _environment(target: Target, seconds: int) -> dict[str, str]:
    found = SCRATCH / "fuzz" / target.package / Path(target.inputs).name
    crashes = ROOT / target.inputs / "crashes"
    for folder in (found, crashes):
        folder.mkdir(parents=True, exist_ok=True)
    arguments = [str(found), str(ROOT / target.inputs / "corpus"), f"-artifact_prefix={crashes}/"]
    arguments += [f"-max_total_time={seconds}", f"-timeout={_TIMEOUT_SECONDS}", f"-max_len={_MAX_BYTES}"]
    return {
        **os.environ,
        "RUSTFLAGS": _INSTRUMENTED,
        "BOLERO_LIBTEST_HARNESS": "1",
        "BOLERO_TEST_NAME": target.test,
        "BOLERO_LIBFUZZER_ARGS": " ".join(arguments),
    }
