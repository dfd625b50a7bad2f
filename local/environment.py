"""The environments that programs run in.

Nothing that runs here may reach the real AWS. The tool therefore removes every AWS_* variable from its environment,
points the SDKs at empty configuration files and away from instance metadata, and gives each program the local endpoint
and made-up credentials. The emulator gets little more than a PATH, because its functions inherit its environment.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from local import quirks
from local.paths import SAM_BIN, SCRATCH

REGION = "us-east-1"
DEFAULT_PORT = 4566
# The emulator's name for the account's root.
ROOT_KEY, ROOT_SECRET = "test", "test"

_NO_AMBIENT_AWS = {
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}


def forget_ambient_aws() -> None:
    """Removes the caller's AWS settings from this process, and so from every program that it starts."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ.update(_NO_AMBIENT_AWS)
    for name in ("NO_PROXY", "no_proxy"):
        os.environ[name] = ",".join(filter(None, [os.environ.get(name), "127.0.0.1,localhost,.localhost"]))


def for_builds() -> dict[str, str]:
    """For cargo and the SAM CLI."""
    return {
        **os.environ,
        "PATH": f"{SAM_BIN}:{os.environ['PATH']}",
        "AWS_DEFAULT_REGION": REGION,
        "SAM_CLI_TELEMETRY": "0",
        # Poll a deployment twice per second, instead of every five seconds.
        "SAM_CLI_POLL_DELAY": "0.5",
        "__SAM_CLI_APP_DIR": str(_sam_home()),
    }


def for_clients(endpoint: str) -> dict[str, str]:
    """For a program that talks to the local AWS, as its account's root."""
    return {**for_builds(), **_of_root(endpoint)}


def for_shell(endpoint: str) -> dict[str, str]:
    """For a user's shell, instead of all its AWS_* variables."""
    return {**_NO_AMBIENT_AWS, **_of_root(endpoint)}


def _of_root(endpoint: str) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_REGION": REGION,
        "AWS_ACCESS_KEY_ID": ROOT_KEY,
        "AWS_SECRET_ACCESS_KEY": ROOT_SECRET,
    }


def endpoint(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def for_emulator(port: int, scratch: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH") if name in os.environ}
    return {
        **kept,
        **_NO_AMBIENT_AWS,
        "HOME": str(scratch),
        "TMPDIR": str(scratch),
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        # The functions' endpoint for every service. Without it they would call the real AWS.
        "AWS_ENDPOINT_URL": endpoint(port),
        "MINISTACK_REGION": REGION,
        # Verify signatures and evaluate policies, as AWS does. It is off by default.
        "AUTH": "true",
        **quirks.log_format(),
        **quirks.no_mqtt(),
    }


def _sam_home() -> Path:
    """A home directory in which the SAM CLI has just looked for a newer version, so that it does not do so now."""
    home = SCRATCH / "sam"
    if not home.exists():
        home.mkdir(parents=True)
        (home / "metadata.json").write_text(json.dumps({"lastVersionCheck": 4102444800, "telemetryEnabled": False}))
    return home
