"""The functions, as template.yaml names them."""

from __future__ import annotations

from samcli.yamlhelper import yaml_parse

from local.paths import TEMPLATE


def binaries() -> list[str]:
    """The binary of each function."""
    resources = yaml_parse(TEMPLATE.read_text())["Resources"].values()
    functions = [each for each in resources if each["Type"] == "AWS::Serverless::Function"]
    return [function["Metadata"]["BuildProperties"]["Binary"] for function in functions]
