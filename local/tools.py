"""The pinned tools, installed into .venv/, and a clear message for each tool that the machine itself must have."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from local.console import Problem, step, tail
from local.paths import ENVIRONMENTS, HERE, ROOT, SCRATCH
from local.processes import child

_MACHINES = {"x86_64": "x86_64", "aarch64": "arm64"}
_EVERYDAY = ("contract", "emulator", "lint", "sam")


def check() -> None:
    """Fails with one line on a machine that cannot build or run the stack."""
    if sys.platform != "linux" or platform.machine() not in _MACHINES:
        raise Problem("Linux on x86_64 or aarch64 is needed: the local AWS runs the functions as ordinary processes")
    if not shutil.which("cargo") or not shutil.which("rustc"):
        raise Problem("Rust is needed, and cargo was not found: install it from https://rustup.rs")
    needed, found = _needed_rust(), _version("rustc")
    if found < needed:
        raise Problem(f"Rust {_dotted(needed)} or newer is needed, this is {_dotted(found)}: run `rustup update`")
    if not shutil.which("cc"):
        raise Problem("a C compiler is needed, and cc was not found: install gcc or clang")


def check_curl() -> None:
    """The commands that `up` prints sign their requests, which curl supports since 7.75."""
    if not shutil.which("curl"):
        raise Problem("curl is needed, and was not found")
    found = _version("curl")
    if found < (7, 75):
        raise Problem(f"curl 7.75 or newer is needed to sign requests (--aws-sigv4), this is {_dotted(found)}")


def check_cpp() -> None:
    """libFuzzer is compiled from its sources."""
    if not shutil.which("c++"):
        raise Problem("a C++ compiler is needed, and c++ was not found: install g++ or clang")


def architecture() -> str:
    """This machine's processor, as the template's Architecture parameter calls it."""
    return _MACHINES[platform.machine()]


def host_target() -> str:
    """The compilation target of this machine, for example x86_64-unknown-linux-gnu."""
    return _find(r"^host: (\S+)$", _output("rustc", "-vV"))


def install(*names: str) -> None:
    """Creates those environments of .venv/ that are missing or out of date; without names, the ones of everyday use."""
    missing = [name for name in names or _EVERYDAY if not _stamp(name).is_current()]
    if not missing:
        return
    with step(f"installing pinned tools into {ENVIRONMENTS.name}/"):
        _for_each(missing, _create)
        _for_each(missing, _fill)
        for name in missing:
            _stamp(name).write()


class _Stamp:
    """Records an environment's pins, Python and path: moving it would break its scripts."""

    def __init__(self, environment: Path, pins: Path) -> None:
        self._file = environment / "stamp"
        made_of = f"{environment}\n{sys.version}\n{pins.read_text()}"
        self._wanted = hashlib.sha256(made_of.encode()).hexdigest()

    def is_current(self) -> bool:
        return self._file.exists() and self._file.read_text() == self._wanted

    def write(self) -> None:
        self._file.write_text(self._wanted)


def _stamp(name: str) -> _Stamp:
    return _Stamp(ENVIRONMENTS / name, _pins(name))


def _pins(name: str) -> Path:
    return HERE / "requirements" / f"{name}.txt"


def _create(name: str) -> list[str | Path]:
    return [sys.executable, "-m", "venv", "--clear", str(ENVIRONMENTS / name)]


def _fill(name: str) -> list[str | Path]:
    # Every package is pinned, so pip must not resolve dependencies. Python compiles the few files in use on demand.
    options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--no-compile", "--requirement", str(_pins(name))]
    return [ENVIRONMENTS / name / "bin" / "python", "-m", "pip", "install", *options]


def _for_each(names: list[str], command: Callable[[str], list[str | Path]]) -> None:
    """Runs a command for each of the environments, concurrently."""
    with ExitStack() as children:
        logs = {name: SCRATCH / f"install-{name}.log" for name in names}
        for log in logs.values():
            log.unlink(missing_ok=True)
        started = [(name, children.enter_context(child(command(name), os.environ, logs[name]))) for name in names]
        for name, process in started:
            if process.wait():
                hint = " (Debian and Ubuntu have venv in the package python3-venv)" if command is _create else ""
                raise Problem(f"installing tools failed{hint}:\n{tail(logs[name])}")


def _needed_rust() -> tuple[int, ...]:
    return _numbers(_find(r'^rust-version = "([\d.]+)"', (ROOT / "Cargo.toml").read_text()))


def _version(program: str) -> tuple[int, ...]:
    return _numbers(_find(r"(\d+(?:\.\d+)+)", _output(program, "--version")))


def _output(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Problem(f"`{' '.join(command)}` failed: {done.stderr.strip()}")
    return done.stdout


def _find(pattern: str, text: str) -> str:
    found = re.search(pattern, text, re.MULTILINE)
    if not found:
        raise Problem(f"no {pattern} in: {text}")
    return found[1]


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
