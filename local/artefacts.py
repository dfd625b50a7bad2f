"""The files of a release, for this machine's architecture, in dist/.

One archive has the built functions with the template that deploys them, another the operator's command. Each program
has its bill of materials beside it. Archives of the same files are the same bytes.
"""

from __future__ import annotations

import gzip
import hashlib
import re
import shutil
import tarfile
from pathlib import Path

from local import build, materials, operator_page, template, tools
from local.console import Problem, say
from local.paths import ROOT


def make(directory: Path, output: Path, tag: str, is_trial: bool) -> None:
    """Builds in `directory`, and writes the files into `output`, which is emptied.

    A trial uses the functions in debug mode, as the local AWS has them: it takes minutes less, and tests the rest.
    """
    version = check_tag(tag, (ROOT / "Cargo.toml").read_text())
    notes = release_notes(version, (ROOT / "CHANGELOG.md").read_text())
    say(f"building release {version} for {tools.architecture()} ...")
    if is_trial:
        deployed, command = build.build(directory), operator_page.program()
    else:
        deployed, command = build.build_for_release(directory)

    stage = directory / "command-files"
    stage.mkdir()
    shutil.copy2(command, stage / operator_page.BINARY)
    materials.write(dict.fromkeys(template.functions().values(), deployed.parent) | {operator_page.BINARY: stage})

    shutil.rmtree(output, ignore_errors=True)
    output.mkdir()
    for what, files in (("functions", deployed.parent), ("command", stage)):
        archive = output / f"registrar-{version}-{what}-{tools.architecture()}.tar.gz"
        pack(files, archive)
        digest = hashlib.sha256(archive.read_bytes()).hexdigest()
        (output / f"{archive.name}.sha256").write_text(f"{digest}  {archive.name}\n")
    (output / "notes.md").write_text(notes)
    for file in sorted(output.iterdir()):
        print(f"{file.relative_to(ROOT)} {file.stat().st_size:,} bytes")


def check_tag(tag: str, manifest: str) -> str:
    """The version in the manifest of the workspace. A tag, if there is one, must be of this version."""
    found = re.search(r'^\[workspace\.package\]\nversion = "([^"]+)"$', manifest, re.MULTILINE)
    if not found:
        raise Problem("Cargo.toml has no version of the workspace")
    version = found[1]
    if tag not in ("", f"v{version}"):
        raise Problem(f"the tag is {tag}, and Cargo.toml has version {version}")
    return version


def release_notes(version: str, changelog: str) -> str:
    """The section of a version in the changelog."""
    found = re.search(rf"^## \[{re.escape(version)}\][^\n]*\n(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL)
    if not found or not found[1].strip():
        raise Problem(f"CHANGELOG.md has no section for version {version}")
    return found[1].strip() + "\n"


def pack(directory: Path, archive: Path) -> None:
    """Writes the files below a directory, in the order of their names, without their times and owners."""

    def plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.mtime = entry.uid = entry.gid = 0
        entry.uname = entry.gname = ""
        entry.mode = 0o755 if entry.mode & 0o100 else 0o644
        return entry

    with (
        archive.open("wb") as raw,
        gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w") as tar,
    ):
        for file in sorted(each for each in directory.rglob("*") if each.is_file()):
            tar.add(file, file.relative_to(directory), filter=plain)
