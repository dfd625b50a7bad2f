"""The bill of materials (CycloneDX) of each program of a release: what is linked into it, and nothing else.

cargo-cyclonedx writes it, with the licence, the source and the checksum of each crate. It asks `cargo metadata`, which
also names what only tests or unused features need, even crates that deny.toml bans. So its documents are reduced to
what `cargo tree` names, which selects features as a build does.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from local import environment, tools
from local.console import Problem
from local.paths import ENVIRONMENTS, ROOT
from local.processes import run

VERSION = "0.5.9"
_HOME = ENVIRONMENTS / "cyclonedx"
_TOOL = _HOME / "bin" / "cargo-cyclonedx"

Crate = tuple[str, str]
"""A name and a version."""

Tree = dict[Crate, set[Crate]]
"""What each crate depends on directly."""


def write(programs: Mapping[str, Path]) -> None:
    """Writes the bill of materials of each program into its directory."""
    linked = tree(_cargo("tree", *_as_built(), "--prefix", "depth", "--format", " {p}"))
    documents = _documents()
    for name, directory in programs.items():
        text = json.dumps(reduced(documents[name], closure(linked, name)), indent=2)
        # The document names the crates of this repository by their directories.
        (directory / f"{name}.cdx.json").write_text(text.replace(f"file://{ROOT}", "file://") + "\n")


def _as_built() -> list[str]:
    """SAM builds the default members together, without what tests need."""
    return ["--locked", "--edges", "normal,no-proc-macro", "--target", tools.host_target()]


def tree(text: str) -> Tree:
    """Reads the output of `cargo tree --prefix depth --format ' {p}'`, which shows a crate's dependencies only once."""
    found: Tree = {}
    path: list[Crate] = []
    for depth, name, version in re.findall(r"^(\d+) (\S+) v(\S+)", text, re.MULTILINE):
        crate = (name, version)
        del path[int(depth) :]
        if path:
            found[path[-1]].add(crate)
        found.setdefault(crate, set())
        path.append(crate)
    return found


def closure(tree: Tree, name: str) -> set[Crate]:
    """What a package of the workspace depends on, directly or not."""
    (start,) = (crate for crate in tree if crate[0] == name)
    reached: set[Crate] = set()
    left = [start]
    while left:
        for crate in tree[left.pop()] - reached:
            reached.add(crate)
            left.append(crate)
    return reached


def reduced(document: dict[str, Any], linked: set[Crate]) -> dict[str, Any]:
    """The document with these components and no others. It must have all of them."""
    components = [each for each in document["components"] if (each["name"], each["version"]) in linked]
    lacking = linked - {(each["name"], each["version"]) for each in components}
    if lacking:
        raise Problem(f"the bill of materials lacks {sorted(lacking)}")
    kept = {each["bom-ref"] for each in components} | {document["metadata"]["component"]["bom-ref"]}
    dependencies = [
        {**each, "dependsOn": [ref for ref in each.get("dependsOn", []) if ref in kept]}
        for each in document["dependencies"]
        if each["ref"] in kept
    ]
    return {**document, "components": components, "dependencies": dependencies}


def _documents() -> dict[str, dict[str, Any]]:
    """Cargo-cyclonedx's document of every program. It writes them beside the manifests."""
    _install()
    options = ["--describe", "binaries", "--target", tools.host_target(), "--no-build-deps"]
    command: list[str | Path] = [_TOOL, "cyclonedx", "--quiet", "--format", "json", "--spec-version", "1.5", *options]
    # With it, the document has no random number.
    time = subprocess.run(["git", "log", "-1", "--format=%ct"], cwd=ROOT, capture_output=True, text=True, check=True)
    env = {"SOURCE_DATE_EPOCH": time.stdout.strip(), **environment.for_builds()}
    packages = json.loads(_cargo("metadata", "--no-deps", "--format-version", "1"))["packages"]
    files = [
        Path(package["manifest_path"]).with_name(f"{target['name']}_bin.cdx.json")
        for package in packages
        for target in package["targets"]
        if "bin" in target["kind"]
    ]
    try:
        run(command, env, "cargo cyclonedx")
        return {file.name.removesuffix("_bin.cdx.json"): json.loads(file.read_text()) for file in files}
    finally:
        for file in files:
            file.unlink(missing_ok=True)


def _install() -> None:
    """Compiles the tool, which no registry has compiled. Only a release needs it."""
    listed = _HOME / ".crates.toml"
    if listed.exists() and f'"cargo-cyclonedx {VERSION} ' in listed.read_text():
        return
    # The target of this repository's builds would put it elsewhere.
    env = {name: value for name, value in environment.for_builds().items() if name != "CARGO_BUILD_TARGET"}
    command: list[str | Path] = ["cargo", "install", "--quiet", "--locked", "--root", _HOME]
    run([*command, "--version", VERSION, "cargo-cyclonedx"], env, "installing cargo-cyclonedx")


def _cargo(*arguments: str) -> str:
    command = [os.environ.get("CARGO", "cargo"), *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Problem(f"cargo {arguments[0]} failed:\n{done.stderr}")
    return done.stdout
