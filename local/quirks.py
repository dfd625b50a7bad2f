"""The quirks: differences between the emulator and AWS, each with its workaround.

The template and the functions are the same as on AWS, and know nothing of the emulator. Each difference between the
local deployment and one to AWS is a function in this file. Its docstring names the behaviour of the emulator (ministack
1.5.33), and the symptom without the function. local/quirk_checks.py looks for that symptom.

`make quirks` deploys the stack once with all quirks, and then once without each quirk. With all quirks, no symptom may
appear. Without a quirk, its symptom must appear; otherwise the emulator has changed, and the function can be removed.
Run it after each change of local/requirements/emulator.txt.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar
from urllib.parse import urlsplit

P = ParamSpec("P")
T = TypeVar("T")

Statement = dict[str, Any]

NAMES: list[str] = []
"""The names of all quirks, in the order of this file."""

left_out: str | None = None
"""The name of the quirk that `make quirks` leaves out at the moment."""


def _instead_of(plain: Callable[P, T]) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Marks a quirk. `plain` is what AWS needs; it takes the quirk's place while the quirk is left out."""

    def mark(quirk: Callable[P, T]) -> Callable[P, T]:
        NAMES.append(quirk.__name__)

        @wraps(quirk)
        def choose(*args: P.args, **kwargs: P.kwargs) -> T:
            return (plain if left_out == quirk.__name__ else quirk)(*args, **kwargs)

        return choose

    return mark


def _nothing() -> dict[str, str]:
    return {}


# ---------------------------------------------------------------- the emulator's environment


@_instead_of(_nothing)
def log_format() -> dict[str, str]:
    """The emulator does not set the functions' log format by their LoggingConfig; AWS does.

    The functions inherit this variable from the emulator. Without it their log lines are text, and neither metric
    filters nor `registrar audit` can read them.
    """
    return {"AWS_LAMBDA_LOG_FORMAT": "JSON"}


@_instead_of(_nothing)
def no_mqtt() -> dict[str, str]:
    """The emulator also listens for MQTT, on port 8883 of every interface, once the package cryptography is installed.

    Without this variable the port is open to the network, and two emulators compete for it.
    """
    return {"IOT_MTLS_ENABLED": "0"}


# ---------------------------------------------------------------- the emulator's code


def _no_names() -> list[str]:
    return []


@_instead_of(_no_names)
def alarm_evaluation() -> list[str]:
    """The emulator evaluates alarms without regard to dimensions, periods and missing data, unlike local/alarms.py.

    Without this replacement, an error of any function sets the alarms of all functions, and a message on any queue that
    of dead letters.
    """
    return ["alarm_evaluation"]


@_instead_of(_no_names)
def lambda_metrics() -> list[str]:
    """The emulator counts only invocations by a call of Invoke; AWS counts those by the API, queues and schedules too.

    Without this replacement, requests leave no metric, and an alarm reports that no schedule runs.
    """
    return ["lambda_metrics"]


@_instead_of(_no_names)
def api_metrics() -> list[str]:
    """The emulator publishes no metrics of APIs; AWS publishes 4xx and 5xx.

    Without this replacement, no metric counts failed requests. Requests that are refused for their signature are left
    out.
    """
    return ["api_metrics"]


@_instead_of(_no_names)
def jwt_authorizers() -> list[str]:
    """The emulator accepts tokens that API Gateway refuses, and passes on claims that are not texts.

    local/token_rules.py has the rules.
    Without this replacement, a token without an end opens the routes of students.
    """
    return ["jwt_authorizers"]


@_instead_of(_no_names)
def signed_routes() -> list[str]:
    """The emulator takes any Authorization header that is not of AWS for a permission to call a signed route.

    API Gateway requires a signature (Developer Guide, "Control access to HTTP APIs with IAM authorization in API
    Gateway"). Without this replacement, a student's token opens every signed route.
    """
    return ["signed_routes"]


@_instead_of(_no_names)
def cors_configuration() -> list[str]:
    """The emulator's CloudFormation keeps names of CorsConfiguration, such as AllowOrigins, that its API does not read.

    Without this replacement, every preflight request is refused.
    """
    return ["cors_configuration"]


@_instead_of(_no_names)
def stream_batches() -> list[str]:
    """The emulator ignores what a function returns for the batch of a stream; AWS retries what failed.

    Without this replacement, a record is lost if its function reports it as failed. Streams also get a thread of their
    own: otherwise the thread that polls the queues waits for the function of a stream.
    """
    return ["stream_batches"]


@_instead_of(_no_names)
def delivery_events() -> list[str]:
    """The emulator's SES keeps event destinations and publishes no event; AWS does.

    local/delivery_events.py has what it publishes. The journeys do without this replacement: each puts the events that
    it is about on the queue, at the moment that it needs.
    Without this replacement, no email of `make run` is ever delivered or bounced.
    """
    return ["delivery_events"]


# ---------------------------------------------------------------- beside the emulator


def _no() -> bool:
    return False


@_instead_of(_no)
def metric_filters() -> bool:
    """The emulator keeps metric filters and does not apply them; the process of local/cloudwatch.py does.

    Without the process there are no metrics of this stack, no metrics of queues, and no alarm changes.
    """
    return True


# ---------------------------------------------------------------- the template's parameters


@_instead_of(_nothing)
def plain_http() -> dict[str, str]:
    """The emulator serves plain HTTP, and enforces queue policies that refuse it.

    Without this parameter, every use of a queue is denied, and no email is sent.
    """
    return {"RequireTls": "false"}


@_instead_of(_nothing)
def no_composite_alarms() -> dict[str, str]:
    """The emulator's CloudFormation does not know composite alarms, though its CloudWatch does.

    Without this parameter the deployment fails.
    """
    return {"SummaryAlarms": "false"}


# ---------------------------------------------------------------- after the deployment


def _leave_worker(aws_lambda: Any, worker: str, concurrency: int) -> None:
    """Does nothing: on AWS, CloudFormation has set the number."""


@_instead_of(_leave_worker)
def reserved_concurrency(aws_lambda: Any, worker: str, concurrency: int) -> None:
    """The emulator's CloudFormation ignores ReservedConcurrentExecutions.

    Without this call, the worker has no reserved concurrency. The send limit depends on it.
    """
    aws_lambda.put_function_concurrency(FunctionName=worker, ReservedConcurrentExecutions=concurrency)


@_instead_of(_leave_worker)
def maximum_concurrency(aws_lambda: Any, worker: str, concurrency: int) -> None:
    """The emulator's CloudFormation keeps a MaximumConcurrency that comes from a parameter as text.

    The event source then fails to compare it with a number. Without this call the event source keeps the text.
    """
    (source,) = aws_lambda.list_event_source_mappings(FunctionName=worker)["EventSourceMappings"]
    scaling = {"MaximumConcurrency": concurrency}
    aws_lambda.update_event_source_mapping(UUID=source["UUID"], ScalingConfig=scaling)


def _unchanged(statement: Statement) -> Statement:
    return statement


@_instead_of(_unchanged)
def batch_actions(statement: Statement) -> Statement:
    """The emulator requires a permission for each batch action of SQS; AWS requires only the single action's.

    The change grants only batches of actions that the template grants. Without it, every batch call is denied.
    """
    actions = _as_list(statement["Action"])
    batches = [f"{action}Batch" for action in actions if action in _BATCHED]
    return {**statement, "Action": [*actions, *batches]}


_BATCHED = ("sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:SendMessage")


@_instead_of(_unchanged)
def send_email_resource(statement: Statement) -> Statement:
    """The emulator requires `ses:SendEmail` on `*`; AWS requires it on the identity and the configuration set.

    Without this change every email is denied.
    """
    return {**statement, "Resource": "*"} if "ses:SendEmail" in _as_list(statement["Action"]) else statement


@_instead_of(_unchanged)
def event_bus_resource(statement: Statement) -> Statement:
    """The emulator requires `events:DescribeEventBus` on a rule of the bus's name; AWS requires it on the bus.

    Without this change announcer cannot look for the bus, and announces nothing.
    """
    if "events:DescribeEventBus" not in _as_list(statement["Action"]):
        return statement
    buses = _as_list(statement["Resource"])
    return {**statement, "Resource": [*buses, *(bus.replace(":event-bus/", ":rule/default/") for bus in buses)]}


def document(policy: dict[str, Any]) -> dict[str, Any]:
    """Translates a policy so that the emulator allows what AWS allows."""
    statements = [event_bus_resource(send_email_resource(batch_actions(each))) for each in policy["Statement"]]
    return {**policy, "Statement": statements}


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


# ---------------------------------------------------------------- its clients


def _as_given(api_url: str, endpoint: str) -> str:  # noqa: ARG001
    return api_url


@_instead_of(_as_given)
def reachable_url(api_url: str, endpoint: str) -> str:
    """The emulator's APIs are at ID.execute-api.localhost, a name that the system's resolver does not know.

    Without this change only curl and browsers, which resolve every name under localhost, reach the API.
    """
    api_id = urlsplit(api_url).netloc.split(".")[0]
    return f"{endpoint}/_aws/execute-api/{api_id}"
