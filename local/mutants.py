"""Mutation tests: cargo-mutants changes the rules in one place at a time, and the tests must fail each time.

The mutants that no test fails for are in `mutants.txt`, in groups. A group is a comment, which says why no test can or
should fail, and one mutant per line, as cargo-mutants names it, without line and column.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from local import cargo_tools
from local.console import Problem, say
from local.paths import HERE, SCRATCH
from local.processes import child

_LIST = HERE / "mutants.txt"

# Each has a copy of the code and of what is compiled: about a gigabyte.
_JOBS = ("--jobs", "2")

# The exit codes of cargo-mutants for mutants that were missed, or that timed out.
_TESTED = {0, 2, 3}


@dataclass(frozen=True)
class Package:
    """A package of rules."""

    name: str
    folder: str
    # For cargo.
    features: tuple[str, ...]
    # The tests that are quick enough to run once per mutant.
    tests: tuple[str, ...]

    def command(self, output: Path, shard: str | None) -> list[str]:
        command = ["cargo", "mutants", "--package", self.name, "--output", str(output), *_JOBS, *self.features]
        if shard:
            command += ["--shard", shard]
        return [*command, "--", *self.tests]


def _tests(*names: str) -> tuple[str, ...]:
    return tuple(argument for name in names for argument in ("--test", name))


# Another package is added together with the reasons for its survivors.
PACKAGES = {
    "pacer": Package(
        "send-pacer",
        "crates/pacer/",
        features=("--features", "tokio"),
        tests=("--lib", *_tests("driver", "properties")),
    ),
    "email": Package(
        "registrar-email",
        "crates/email/",
        features=(),
        tests=("--lib", *_tests("fuzz")),
    ),
    "enrollment": Package(
        "registrar-enrollment",
        "crates/enrollment/",
        features=(),
        # The crash matrix takes a minute in a debug build.
        tests=("--lib", *_tests("cases", "forget", "operators", "outside", "requests", "seats")),
    ),
}


def check(names: list[str], shard: str | None) -> None:
    """Tests the mutants of each package, and compares the survivors with the list."""
    unknown = [name for name in names if name not in PACKAGES]
    if unknown:
        raise Problem(f"there is no package {unknown[0]}; there are {', '.join(PACKAGES)}")
    env = cargo_tools.with_mutants()
    listed = read(_LIST.read_text())
    problems: list[str] = []
    for package in (PACKAGES[name] for name in names):
        output = SCRATCH / "mutants" / package.name
        output.mkdir(parents=True, exist_ok=True)
        with child(package.command(output, shard), env) as process:
            if process.wait() not in _TESTED:
                raise Problem(f"cargo mutants failed for {package.name}; its logs are in {output}")
        results = output / "mutants.out"
        survived = Counter(without_place(line) for line in (results / "missed.txt").read_text().splitlines())
        expected = Counter({name: count for name, count in listed.items() if name.startswith(package.folder)})
        problems += compare(survived, expected, whole=shard is None)
    if problems:
        raise Problem("\n".join(problems))
    say("every mutant that survived is listed with its reason")


def compare(survived: Counter[str], expected: Counter[str], whole: bool) -> list[str]:
    """What differs. Of a part of the mutants, nothing can be said to be listed in vain."""
    new = [f"no test fails for: {name}" for name in (survived - expected).elements()]
    gone = [f"listed in {_LIST.name}, but a test fails for: {name}" for name in (expected - survived).elements()]
    return new + (gone if whole else [])


def read(text: str) -> Counter[str]:
    """The mutants of the list. Each must be in a group that begins with a reason."""
    mutants: Counter[str] = Counter()
    for group in re.split(r"\n\s*\n", text.strip()):
        lines = group.splitlines()
        names = [line for line in lines if not line.startswith("#")]
        if names and not lines[0].startswith("#"):
            raise Problem(f"{_LIST.name} gives no reason for: {names[0]}")
        mutants.update(names)
    return mutants


def without_place(name: str) -> str:
    """The name of a mutant without line and column, which every change of the file moves."""
    return re.sub(r":\d+:\d+:", ":", name, count=1)
