"""The sample events of events/, each with its function according to template.yaml."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local import template
from local.console import Problem
from local.paths import ROOT

SAMPLES = ROOT / "events"


@dataclass(frozen=True)
class Sample:
    name: str
    file: Path
    event: Mapping[str, Any]
    function: str
    """The logical id."""

    @property
    def is_request(self) -> bool:
        """Whether it is a request to the API."""
        return "routeKey" in self.event


def every() -> list[Sample]:
    """All samples, by name. Every function has one at least."""
    resources = template.resources()
    samples = [_read(file, resources) for file in sorted(SAMPLES.glob("*.json"))]
    without = template.functions().keys() - {sample.function for sample in samples}
    if without:
        raise Problem(f"no sample in events/ is for {', '.join(sorted(without))}")
    return samples


def _read(file: Path, resources: Mapping[str, Any]) -> Sample:
    event = json.loads(file.read_text())
    functions = set(_functions_of(file.stem, event, resources))
    if len(functions) != 1:
        raise Problem(f"{file.relative_to(ROOT)} must be for one function, and is for: {sorted(functions)}")
    return Sample(file.stem, file, event, functions.pop())


def _functions_of(name: str, event: Mapping[str, Any], resources: Mapping[str, Any]) -> Iterator[str]:
    if "routeKey" in event:
        for integration in _of_type("AWS::ApiGatewayV2::Integration", resources):
            uri = json.dumps(integration["IntegrationUri"])
            yield from (function for function in template.functions() if f"${{{function}.Arn}}" in uri)
    elif "Records" in event:
        source = _source(event["Records"][0]["eventSourceARN"])
        for mapping in _of_type("AWS::Lambda::EventSourceMapping", resources):
            if mapping["EventSourceArn"]["Fn::GetAtt"][0] == source:
                yield mapping["FunctionName"]["Fn::GetAtt"][0]
    else:
        # An event of a schedule, with the name of its function or the beginning of it.
        yield from (function for function, binary in template.functions().items() if binary.startswith(name))


def _source(arn: str) -> str:
    """The logical id of the queue, which is in its generated name, or of the table."""
    if ":sqs:" in arn:
        return arn.split("-")[-2]
    return f"{arn.split('/')[1].capitalize()}Table"


def _of_type(name: str, resources: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    return (each["Properties"] for each in resources.values() if each["Type"] == name)
