"""Every function under the SAM CLI's own emulation, with every sample event, against the local AWS: `make sam-local`.

`sam local invoke` runs each function with its samples, and `sam local start-api` serves those that are requests.
It ignores the authorization of a route: a student's route gets no verified token, and so refuses the request.
"""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import docker
from docker.errors import DockerException

from local import container_image, environment, sample, samples, tools
from local.console import Problem, say, tail
from local.emulator import free_port
from local.forwarding import forwarded
from local.paths import SAM_BIN
from local.processes import child
from local.samples import Sample
from local.servers import serving
from local.signing import signed
from local.stack import EVENT_BUS, Stack

# If it is `required`, a machine without a container engine is a failure.
REQUIRED = os.environ.get("REGISTRAR_CONTAINERS") == "required"
REQUEST_SECONDS = 60

# The status of each request, under `sam local invoke` and then under `sam local start-api`. An event that is not a
# request must not fail, and must report no failed record.
STATUSES = {
    "add-user-to-course": (201, 201),
    "enroll": (200, 200),
    # `start-api` knows no custom domain, and so no such path.
    "enroll-custom-domain": (200, 403),
    "enroll-paid": (201, 200),
    "get-course": (200, 200),
    "get-enrollment": (200, 200),
    "health": (200, 200),
    "list-courses": (200, 200),
    "list-enrollments": (200, 200),
    "list-roster": (200, 200),
    # They write who did it, and `start-api` names no principal.
    "operate-enrollment": (200, 403),
    "put-course": (200, 403),
    # Their signatures are not those of this secret.
    "stripe-refunded": (403, 403),
    "stripe-webhook": (403, 403),
    "student-enroll": (201, 403),
    "student-get-course": (200, 403),
    "student-get-enrollment": (200, 403),
    "student-list-courses": (200, 403),
    "student-list-enrollments": (200, 403),
}


def engine() -> docker.DockerClient | None:
    """The container engine. `None` if there is none, which is reported."""
    try:
        client = docker.from_env()
        client.ping()
        return client
    except DockerException as error:
        problem = "no container engine responds: start dockerd (Debian: docker.io), or set DOCKER_HOST"
        if REQUIRED:
            raise Problem(problem) from error
        say(f"sam local is skipped: {problem}")
        return None


@dataclass(frozen=True)
class SamLocal:
    """The SAM CLI, set up for the functions of a deployed stack."""

    options: list[str | Path]
    env: dict[str, str]
    directory: Path

    def invoke(self, each: Sample) -> dict[str, Any]:
        """The response of a function to a sample."""
        log, output = self.directory / f"{each.name}.log", self.directory / f"{each.name}.txt"
        command: list[str | Path] = [SAM_BIN / "sam", "local", "invoke", each.function]
        command += ["--event", each.file, "--log-file", log]
        with child([*command, *self.options], self.env, output) as process:
            status = process.wait()
        lines = log.read_text(errors="replace").splitlines() if status == 0 and log.exists() else []
        # The response is after the function's own lines. The end of its process may follow.
        for line in reversed(lines):
            with suppress(json.JSONDecodeError):
                return dict(json.loads(line) or {})
        raise Problem(f"sam local invoke of {each.function} with {each.name} failed\n{tail(output)}\n{tail(log)}")

    @contextmanager
    def api(self) -> Iterator[str]:
        """The address of the API, for the duration of the block."""
        port = free_port()
        command: list[str | Path] = [SAM_BIN / "sam", "local", "start-api", "--port", str(port)]
        # One container serves all requests. Without this option, each would start one.
        command += ["--warm-containers", "LAZY"]
        log = self.directory / "start-api.log"
        with serving("sam local start-api", [*command, *self.options], port, log, self.env):
            yield environment.endpoint(port)


def run(client: docker.DockerClient, stack: Stack, template: Path, directory: Path) -> None:
    """Runs all samples, prints each response, and fails if one is not as expected."""
    sample.load_catalogue(stack)
    host = _host_of_containers(client)
    stripe = stack.function_environment["STRIPE_API_URL"]
    image = f"registrar-sam-local-{os.getpid()}"
    functions = sorted(template.parent.glob("*/bootstrap"))
    variables = {"AWS_ENDPOINT_URL": _at(host, stack.endpoint)}
    with (
        forwarded(host, _port(stack.endpoint)),
        forwarded(host, _port(stripe)),
        container_image.made(client, image, functions, variables),
    ):
        settings = directory / "sam-local.json"
        parameters = {**stack.function_environment, "STRIPE_API_URL": _at(host, stripe)}
        settings.write_text(json.dumps({"Parameters": parameters}))
        sam = SamLocal(_options(template, settings, image), environment.for_clients(stack.endpoint), directory)
        failures = [*_invoke_all(sam), *_request_all(sam, stack)]
    if failures:
        raise Problem("\n".join(failures))
    say("every function responded to every sample event as expected")


def _host_of_containers(client: docker.DockerClient) -> str:
    """This machine's address on the network of the containers."""
    (network,) = client.networks.get("bridge").attrs["IPAM"]["Config"]
    # Without containers, an engine may not name it: it is the first address then.
    return str(network.get("Gateway") or ip_network(network["Subnet"])[1])


def _options(template: Path, settings: Path, image: str) -> list[str | Path]:
    overrides = {"Architecture": tools.architecture(), "AuthMode": "JWT", "EventBusName": EVENT_BUS}
    options: list[str | Path] = ["--template", template, "--env-vars", settings]
    options += ["--invoke-image", f"{image}:latest", "--skip-pull-image"]
    return [*options, "--parameter-overrides", *(f"{name}={value}" for name, value in overrides.items())]


def _invoke_all(sam: SamLocal) -> Iterator[str]:
    """The failures."""
    for each in samples.every():
        response = sam.invoke(each)
        if each.is_request:
            expected, _ = STATUSES[each.name]
            yield from _report(each.function, each.name, response.get("statusCode"), expected)
        else:
            answer = json.dumps(response)
            has_failed = "errorType" in response or response.get("batchItemFailures")
            yield from _report(each.function, each.name, answer, "no failure" if has_failed else answer)


def _request_all(sam: SamLocal, stack: Stack) -> Iterator[str]:
    """The failures."""
    with sam.api() as address:
        for each in filter(lambda each: each.is_request, samples.every()):
            _, expected = STATUSES[each.name]
            yield from _report("start-api", each.event["routeKey"], _status(each, stack, address), expected)


def _status(each: Sample, stack: Stack, address: str) -> int:
    event = each.event
    query = urlencode(event.get("queryStringParameters") or {})
    url = f"{address}{event['rawPath']}{'?' if query else ''}{query}"
    method, body = event["requestContext"]["http"]["method"], (event.get("body") or "").encode()
    request = signed(stack.root, method, url, body)
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=REQUEST_SECONDS) as got:
            return int(got.status)
    except urllib.error.HTTPError as error:
        return error.code


def _report(where: str, what: str, answer: object, expected: object) -> Iterator[str]:
    print(f"{where:<22} {what:<42} {answer}", flush=True)
    if answer != expected:
        yield f"{where}, {what}: {answer}, and not {expected}"


def _port(url: str) -> int:
    port = urlsplit(url).port
    if port is None:
        raise Problem(f"{url} has no port")
    return port


def _at(host: str, url: str) -> str:
    """The address of a server on loopback, as a container reaches it."""
    return f"http://{host}:{_port(url)}"
