"""The functions and other resources, as template.yaml names them."""

from __future__ import annotations

from functools import cache
from typing import Any

from samcli.yamlhelper import yaml_parse

from local.paths import TEMPLATE


@cache
def resources() -> dict[str, Any]:
    """By their logical ids."""
    parsed: dict[str, Any] = yaml_parse(TEMPLATE.read_text())["Resources"]
    return parsed


def functions() -> dict[str, str]:
    """The binary of each function, by its logical id."""
    return {
        name: each["Metadata"]["BuildProperties"]["Binary"]
        for name, each in resources().items()
        if each["Type"] == "AWS::Serverless::Function"
    }
