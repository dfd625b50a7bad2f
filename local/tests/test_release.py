"""What a release consists of, and what its bills of materials list."""

from __future__ import annotations

import tarfile
import tempfile
import unittest
from pathlib import Path
from typing import Any

from local.artefacts import check_tag, pack, release_notes
from local.console import Problem
from local.materials import closure, reduced, tree

TREE = """\
0 enroll v0.1.0 (/here/functions/enroll)
1 serde v1.0.1
2 serde_core v1.0.1
1 rules v0.1.0 (/here/crates/rules)
2 serde v1.0.1 (*)
2 http v1.4.0

0 worker v0.1.0 (/here/functions/worker)
1 http v0.2.12
1 rules v0.1.0 (/here/crates/rules) (*)
"""


def document(*names: str) -> dict[str, Any]:
    """A document of a program that depends on all of these crates, each of which depends on the next."""
    refs = [f"ref-{name}" for name in names]
    edges = [{"ref": "program", "dependsOn": refs}]
    edges += [{"ref": ref, "dependsOn": refs[at + 1 : at + 2]} for at, ref in enumerate(refs)]
    components = [{"name": name, "version": "1", "bom-ref": f"ref-{name}"} for name in names]
    return {"metadata": {"component": {"bom-ref": "program"}}, "components": components, "dependencies": edges}


class Materials(unittest.TestCase):
    def test_closure_goes_through_what_the_tree_shows_elsewhere(self) -> None:
        linked = tree(TREE)
        rules, serde, core = ("rules", "0.1.0"), ("serde", "1.0.1"), ("serde_core", "1.0.1")
        self.assertEqual(closure(linked, "enroll"), {rules, serde, core, ("http", "1.4.0")})
        self.assertEqual(closure(linked, "worker"), {rules, serde, core, ("http", "1.4.0"), ("http", "0.2.12")})

    def test_document_keeps_what_is_linked_and_the_edges_between(self) -> None:
        kept = reduced(document("a", "banned", "b"), {("a", "1"), ("b", "1")})
        self.assertEqual([each["name"] for each in kept["components"]], ["a", "b"])
        edges = {each["ref"]: each["dependsOn"] for each in kept["dependencies"]}
        self.assertEqual(edges, {"program": ["ref-a", "ref-b"], "ref-a": [], "ref-b": []})

    def test_document_that_lacks_a_linked_crate_is_a_problem(self) -> None:
        with self.assertRaisesRegex(Problem, "lacks.*'b', '1'"):
            reduced(document("a"), {("a", "1"), ("b", "1")})


class Release(unittest.TestCase):
    def test_tag_is_of_the_version_of_the_workspace(self) -> None:
        manifest = '[workspace.package]\nversion = "1.2.3"\n'
        self.assertEqual(check_tag("", manifest), "1.2.3")
        self.assertEqual(check_tag("v1.2.3", manifest), "1.2.3")
        with self.assertRaisesRegex(Problem, r"the tag is v1\.2\.4, and Cargo\.toml has version 1\.2\.3"):
            check_tag("v1.2.4", manifest)

    def test_notes_are_the_section_of_the_version(self) -> None:
        changelog = (
            "# Changelog\n\n## [Unreleased]\n\nNext.\n\n## [1.2.3] - 2026-01-01\n\nThis.\n\n## [1.2.2]\n\nOld.\n"
        )
        self.assertEqual(release_notes("1.2.3", changelog), "This.\n")
        with self.assertRaisesRegex(Problem, "no section for version 1.2.4"):
            release_notes("1.2.4", changelog)

    def test_archives_of_the_same_files_are_the_same_bytes_and_programs_stay_programs(self) -> None:
        with tempfile.TemporaryDirectory() as scratch:
            archives = []
            for name in ("one", "two"):
                files = Path(scratch) / name
                (files / "a").mkdir(parents=True)
                program = files / "a" / "bootstrap"
                program.write_text("x")
                program.chmod(0o700)
                (files / "b.yaml").write_text("y")
                archives.append(Path(scratch) / f"{name}.tar.gz")
                pack(files, archives[-1])
            self.assertEqual(archives[0].read_bytes(), archives[1].read_bytes())
            with tarfile.open(archives[0]) as tar:
                modes = {entry.name: entry.mode for entry in tar}
            self.assertEqual(modes, {"a/bootstrap": 0o755, "b.yaml": 0o644})
