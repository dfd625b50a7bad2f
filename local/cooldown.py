"""Checks that every locked version has been public for 14 days, so that others may find a malicious one first.

It asks the registries by their own clients, so it needs the network and is not a part of `make test`. The exceptions,
such as a security fix that cannot wait, are in local/cooldown_exceptions.yaml with their reasons.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

from samcli.yamlhelper import yaml_parse

from local import environment
from local.console import Problem, say
from local.paths import HERE, LINT_BIN, ROOT

COOLDOWN = timedelta(days=14)
EXCEPTIONS = HERE / "cooldown_exceptions.yaml"
_PEERS = ROOT / "bench" / "peers"
_NPM_LOCKS = (ROOT / "examples" / "typescript" / "package-lock.json", _PEERS / "node" / "package-lock.json")


@dataclass(frozen=True, order=True)
class Package:
    registry: str
    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.registry} {self.name} {self.version}"


def check(now: datetime) -> None:
    """Fails if a version is too young and not an exception, or if an exception is no longer locked."""
    crates = locked_crates((ROOT / "Cargo.lock").read_text())
    modules = _locked_modules()
    requirements = [*sorted((HERE / "requirements").glob("*.txt")), _PEERS / "python" / "requirements.txt"]
    pins = [pin for file in requirements for pin in pinned(file.read_text())]

    young = too_young(_crate_dates(crates), now)
    young |= {package for file in requirements for package in _young_pins(file, now)}
    young |= too_young(_module_dates(modules), now)
    problems = verdict(young, {*crates, *modules, *pins}, exceptions(EXCEPTIONS.read_text()))
    if problems:
        raise Problem("\n".join([f"the cooldown is {COOLDOWN.days} days:", *problems]))
    say(f"{len({*crates, *modules, *pins})} locked versions are {COOLDOWN.days} days old, or exceptions")


def verdict(young: set[Package], locked: set[Package], exceptions: set[Package]) -> list[str]:
    """One line for each problem."""
    lines = [f"  {each}: lock an older version, or add it to {EXCEPTIONS.name}" for each in sorted(young - exceptions)]
    return lines + [f"  {each} is not locked: remove it from {EXCEPTIONS.name}" for each in sorted(exceptions - locked)]


def too_young(dates: Mapping[Package, datetime], now: datetime) -> set[Package]:
    return {package for package, published in dates.items() if now - published < COOLDOWN}


def exceptions(text: str) -> set[Package]:
    """The exceptions of the file. Each group has a reason, and the versions by registry."""
    found = set()
    for group in yaml_parse(text):
        if not group.get("reason"):
            raise Problem(f"{EXCEPTIONS.name}: no reason for {group}")
        for registry in ("cargo", "pip", "npm"):
            found |= {Package(registry, *each.split(" ")) for each in group.get(registry, [])}
    return found


# ---------------------------------------------------------------- cargo


def locked_crates(lock: str) -> list[Package]:
    """The packages of Cargo.lock that come from a registry."""
    found = re.findall(r'^name = "(.+)"\nversion = "(.+)"\nsource = "registry\+', lock, re.MULTILINE)
    return [Package("cargo", name, version) for name, version in found]


def _crate_dates(crates: list[Package]) -> dict[Package, datetime]:
    """From cargo's own copy of the index. Cargo has a setting for this, but not in its stable version (RFC 3923)."""
    subprocess.run(["cargo", "fetch", "--locked", "--quiet"], cwd=ROOT, env=environment.for_builds(), check=True)
    home = Path(os.environ.get("CARGO_HOME") or Path.home() / ".cargo")
    indexes = [each / ".cache" for each in (home / "registry" / "index").iterdir()]
    return {crate: _crate_date(crate, indexes) for crate in crates}


def _crate_date(crate: Package, indexes: list[Path]) -> datetime:
    for index in indexes:
        file = index / index_path(crate.name)
        published = publication(file.read_bytes(), crate.version) if file.exists() else None
        if published:
            return published
    raise Problem(f"cargo's index has no publication date of {crate}")


def index_path(name: str) -> str:
    """Where an index has a crate (The Cargo Book, "Index Format")."""
    lower = name.lower()
    start = {1: "1", 2: "2", 3: f"3/{lower[0]}"}
    return f"{start.get(len(lower), f'{lower[:2]}/{lower[2:4]}')}/{lower}"


def publication(cached: bytes, version: str) -> datetime | None:
    """The time in an entry of cargo's copy, which has one JSON object per version, between zero bytes."""
    for part in cached.split(b"\0"):
        if part.startswith(b"{") and (entry := json.loads(part))["vers"] == version:
            return moment(entry["pubtime"]) if entry.get("pubtime") else None
    return None


# ---------------------------------------------------------------- pip


def pinned(requirements: str) -> list[Package]:
    """The packages that a requirements file pins."""
    found = re.findall(r"^([A-Za-z0-9._-]+)==([^\s;]+)", requirements, re.MULTILINE)
    return [Package("pip", name, version) for name, version in found]


def _young_pins(requirements: Path, now: datetime) -> Iterator[Package]:
    """The pins that pip does not find among the older versions. It stops at the first, so it is asked again."""
    lines = requirements.read_text().splitlines()
    while refused := _refused_pin(lines, now):
        yield refused
        lines = [line for line in lines if not line.startswith(f"{refused.name}=={refused.version}")]


def _refused_pin(lines: list[str], now: datetime) -> Package | None:
    options = ["--dry-run", "--quiet", "--ignore-installed", "--no-deps", "--disable-pip-version-check"]
    command: list[str | Path] = [LINT_BIN / "python", "-m", "pip", "install", *options]
    command += ["--uploaded-prior-to", (now - COOLDOWN).isoformat(), "--requirement", "/dev/stdin"]
    done = subprocess.run(command, input="\n".join(lines), capture_output=True, text=True, check=False)
    if not done.returncode:
        return None
    found = re.search(r"No matching distribution found for ([A-Za-z0-9._-]+)==(\S+)", done.stderr)
    if not found:
        raise Problem(f"pip failed:\n{done.stderr}")
    return Package("pip", found[1], found[2])


# ---------------------------------------------------------------- npm


def _locked_modules() -> list[Package]:
    locks = [json.loads(lock.read_text())["packages"] for lock in _NPM_LOCKS]
    found = [(path, each) for packages in locks for path, each in packages.items() if path]
    return [Package("npm", path.split("node_modules/")[-1], each["version"]) for path, each in found]


def _module_dates(modules: list[Package]) -> dict[Package, datetime]:
    if not shutil.which("npm"):
        if os.environ.get("REGISTRAR_NODE") == "required":
            raise Problem("npm is needed, and was not found")
        say("npm was not found, so its packages are not checked")
        return {}
    return {module: _module_date(module) for module in modules}


def _module_date(module: Package) -> datetime:
    command = ["npm", "view", module.name, "time", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Problem(f"npm failed:\n{done.stderr}")
    return moment(json.loads(done.stdout)[module.version])


def moment(text: str) -> datetime:
    """A time in UTC, as the registries write it."""
    return datetime.fromisoformat(re.sub(r"\.\d+", "", text).replace("Z", "+00:00")).astimezone(timezone.utc)
