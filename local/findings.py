"""Checkov's findings in template.yaml, compared with those that are accepted.

Checkov's own way to skip a rule does not tell when the rule no longer finds anything. So nothing is skipped: all
findings are compared with local/accepted_findings.yaml, which has the reason for each. A difference in either direction
is a problem.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from samcli.yamlhelper import yaml_parse

from local import environment
from local.console import Problem
from local.paths import CHECKOV_BIN, HERE, TEMPLATE

ACCEPTED = HERE / "accepted_findings.yaml"

Findings = dict[str, set[str]]
"""The names of resources by the id of the rule that they break."""


def check() -> None:
    """Fails if the findings differ from the accepted ones."""
    problems = differences(find(), accepted(yaml_parse(ACCEPTED.read_text())))
    if problems:
        raise Problem("\n".join(["checkov:", *problems]))


def accepted(document: Mapping[str, Mapping[str, Any]]) -> Findings:
    """The findings that the file accepts. Each rule must have a reason."""
    unexplained = [rule for rule, entry in document.items() if not entry.get("reason")]
    if unexplained:
        raise Problem(f"{ACCEPTED.name}: no reason for {', '.join(unexplained)}")
    return {rule: set(entry["resources"]) for rule, entry in document.items()}


def find() -> Findings:
    """All findings in template.yaml. Checkov reads only its own rules and the file, and calls nobody."""
    command: list[str | Path] = [CHECKOV_BIN / "checkov", "--file", TEMPLATE, "--framework", "cloudformation"]
    command += ["--skip-download", "--soft-fail", "--compact", "--quiet", "--output", "json"]
    env = {**environment.for_builds(), "LOG_LEVEL": "ERROR"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    if done.returncode:
        raise Problem(f"checkov failed:\n{done.stderr}")
    return findings(json.loads(done.stdout))


def findings(report: Mapping[str, Any]) -> Findings:
    """The findings of a report. Fails if it is about no resources, or a template that cannot be read."""
    summary = report.get("summary", {})
    if not summary.get("resource_count") or summary["parsing_errors"]:
        raise Problem(f"checkov did not read {TEMPLATE.name}: {summary}")
    found: Findings = {}
    for each in report["results"]["failed_checks"]:
        found.setdefault(each["check_id"], set()).add(each["resource"].split(".")[-1])
    return found


def differences(found: Findings, accepted: Findings) -> list[str]:
    """One line for each finding that is not accepted, and for each accepted one that was not found."""
    new = [f"  {line}: fix it, or accept it in {ACCEPTED.name}" for line in _lines(found, accepted)]
    stale = [f"  {line} is no longer found: remove it from {ACCEPTED.name}" for line in _lines(accepted, found)]
    return new + stale


def _lines(these: Findings, without: Findings) -> list[str]:
    return [f"{rule} {name}" for rule in sorted(these) for name in sorted(these[rule] - without.get(rule, set()))]
