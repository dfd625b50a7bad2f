"""Checks whether each quirk of the emulator is still needed: behind `make quirks`."""

from __future__ import annotations

import io
import json
import socket
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from http import HTTPStatus

from botocore.exceptions import ClientError

from local import sample
from local.console import Problem
from local.emulator import Emulator
from local.stack import NAME, Stack, client

EMAIL_SECONDS = 20
LOG_SECONDS = 10
METRIC_SECONDS = 20
MQTT_PORT = 8883
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def symptom_appears(quirk: str, emulator: Emulator, stack: Stack) -> bool:
    """Whether the symptom appears that the quirk prevents."""
    return _SYMPTOMS[quirk](emulator, stack)


def _no_email(emulator: Emulator, stack: Stack) -> bool:
    try:
        sample.load_catalogue(stack)
        sample.enroll_student(stack)
    except Problem:
        return True
    deadline = time.monotonic() + EMAIL_SECONDS
    while not emulator.emails():
        if time.monotonic() > deadline:
            return True
        time.sleep(0.2)
    return False


def _log_is_text(emulator: Emulator, stack: Stack) -> bool:
    if _no_email(emulator, stack):
        return True
    logs = client("logs", stack.endpoint, stack.root)
    deadline = time.monotonic() + LOG_SECONDS
    while time.monotonic() < deadline:
        events = logs.filter_log_events(logGroupName=f"/aws/lambda/{NAME}-email-worker")["events"]
        if any(event["message"].startswith("{") for event in events):
            return False
        time.sleep(0.2)
    return True


def _mqtt_is_open(_emulator: Emulator, _stack: Stack) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", MQTT_PORT)) == 0


def _nothing_is_reserved(_emulator: Emulator, stack: Stack) -> bool:
    worker = stack.outputs["EmailWorkerFunctionName"]
    reserved = client("lambda", stack.endpoint, stack.root).get_function_concurrency(FunctionName=worker)
    return "ReservedConcurrentExecutions" not in reserved


def _other_alarm_is_set(_emulator: Emulator, stack: Stack) -> bool:
    cloudwatch = client("cloudwatch", stack.endpoint, stack.root)
    error = {"MetricName": "Errors", "Dimensions": [{"Name": "FunctionName", "Value": "another"}], "Value": 1.0}
    cloudwatch.put_metric_data(Namespace="AWS/Lambda", MetricData=[error])
    history = cloudwatch.describe_alarm_history(HistoryItemType="StateUpdate")["AlarmHistoryItems"]
    return any("Error" in item["AlarmName"] and item["HistorySummary"].endswith("to ALARM") for item in history)


def _email_has_no_outcome(emulator: Emulator, stack: Stack) -> bool:
    return _no_email(emulator, stack) or _has_no_metric(stack, f"Registrar/{NAME}", "DeliveryEvents")


def _has_no_metric(stack: Stack, namespace: str, name: str) -> bool:
    cloudwatch = client("cloudwatch", stack.endpoint, stack.root)
    deadline = time.monotonic() + METRIC_SECONDS
    while time.monotonic() < deadline:
        if cloudwatch.list_metrics(Namespace=namespace, MetricName=name)["Metrics"]:
            return False
        time.sleep(0.2)
    return True


def _request_has_no_invocation(emulator: Emulator, stack: Stack) -> bool:
    _no_email(emulator, stack)
    return _has_no_metric(stack, "AWS/Lambda", "Invocations")


def _request_has_no_status(emulator: Emulator, stack: Stack) -> bool:
    _no_email(emulator, stack)
    return _has_no_metric(stack, "AWS/ApiGateway", "5xx")


def _email_is_not_counted(emulator: Emulator, stack: Stack) -> bool:
    return _no_email(emulator, stack) or _has_no_metric(stack, f"Registrar/{NAME}", "EmailsSent")


def _token_without_an_end_is_accepted(_emulator: Emulator, stack: Stack) -> bool:
    claims = {"iss": stack.issuer, "aud": stack.audience, "sub": "student-1"}
    wanted = urllib.request.Request(f"{stack.issuer}/_test/tokens", json.dumps({"claims": claims}).encode())
    with _DIRECT.open(wanted, timeout=5) as response:
        token = json.load(response)["token"]
    call = urllib.request.Request(f"{stack.api_url}/student/courses", headers={"authorization": f"Bearer {token}"})
    return _status(call) == HTTPStatus.OK


def _token_opens_a_signed_route(_emulator: Emulator, stack: Stack) -> bool:
    call = urllib.request.Request(f"{stack.api_url}/courses", headers={"authorization": "Bearer of-anybody"})
    return _status(call) != HTTPStatus.FORBIDDEN


def _preflight_is_refused(_emulator: Emulator, stack: Stack) -> bool:
    headers = {"origin": stack.page.rstrip("/"), "access-control-request-method": "POST"}
    call = urllib.request.Request(f"{stack.api_url}/student/enrollments", headers=headers, method="OPTIONS")
    return _status(call) != HTTPStatus.NO_CONTENT


def _status(call: urllib.request.Request) -> int:
    try:
        with _DIRECT.open(call, timeout=20) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code


def _batch_is_denied(_emulator: Emulator, stack: Stack) -> bool:
    entry = {"Id": "0", "ReceiptHandle": "of no message", "VisibilityTimeout": 0}
    try:
        client("sqs", stack.endpoint, stack.email_operator).change_message_visibility_batch(
            QueueUrl=stack.outputs["EmailDeadLetterQueueUrl"], Entries=[entry]
        )
    except ClientError as error:
        return "AccessDenied" in str(error.response["Error"]["Code"])
    return False


def _nothing_is_announced(emulator: Emulator, stack: Stack) -> bool:
    return _no_email(emulator, stack) or _has_no_metric(stack, f"Registrar/{NAME}", "EventsAnnounced")


_REPORTS_A_FAILURE = """
def handler(event, context):
    print("received a batch")
    return {"batchItemFailures": [{"itemIdentifier": event["Records"][0]["dynamodb"]["SequenceNumber"]}]}
"""


def _record_is_lost(_emulator: Emulator, stack: Stack) -> bool:
    """Whether a record that its function reports as failed is not delivered again."""
    name = "reports-a-failure"
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("code.py", _REPORTS_A_FAILURE)
    dynamodb, aws_lambda = (client(service, stack.endpoint, stack.root) for service in ("dynamodb", "lambda"))
    table = dynamodb.create_table(
        TableName=name,
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )["TableDescription"]
    aws_lambda.create_function(
        FunctionName=name,
        Runtime="python3.12",
        Handler="code.handler",
        Role="arn:aws:iam::000000000000:role/none",
        Code={"ZipFile": code.getvalue()},
    )
    aws_lambda.create_event_source_mapping(
        FunctionName=name,
        EventSourceArn=table["LatestStreamArn"],
        StartingPosition="TRIM_HORIZON",
        FunctionResponseTypes=["ReportBatchItemFailures"],
    )
    dynamodb.put_item(TableName=name, Item={"id": {"S": "1"}})
    logs = client("logs", stack.endpoint, stack.root)
    deadline = time.monotonic() + LOG_SECONDS
    while time.monotonic() < deadline:
        try:
            events = logs.filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]
        except ClientError:
            events = []  # The function has not run yet.
        if sum("received a batch" in event["message"] for event in events) > 1:
            return False
        time.sleep(0.2)
    return True


def _api_is_unreachable(_emulator: Emulator, stack: Stack) -> bool:
    try:
        _DIRECT.open(f"{stack.api_url}/", timeout=5).close()
    except urllib.error.URLError:
        return True
    return False


def _cannot_be_deployed(_emulator: Emulator, _stack: Stack) -> bool:
    # A stack was deployed. `make quirks` notices itself if it cannot be.
    return False


PREVENTS_DEPLOYMENT = {"no_composite_alarms"}
"""The quirks without which there is no stack to check."""

_SYMPTOMS: dict[str, Callable[[Emulator, Stack], bool]] = {
    "log_format": _log_is_text,
    "no_mqtt": _mqtt_is_open,
    "alarm_evaluation": _other_alarm_is_set,
    "lambda_metrics": _request_has_no_invocation,
    "api_metrics": _request_has_no_status,
    "jwt_authorizers": _token_without_an_end_is_accepted,
    "signed_routes": _token_opens_a_signed_route,
    "cors_configuration": _preflight_is_refused,
    "stream_batches": _record_is_lost,
    "delivery_events": _email_has_no_outcome,
    "metric_filters": _email_is_not_counted,
    "plain_http": _no_email,
    "no_composite_alarms": _cannot_be_deployed,
    "reserved_concurrency": _nothing_is_reserved,
    "maximum_concurrency": _no_email,
    "batch_actions": _batch_is_denied,
    "send_email_resource": _no_email,
    "event_bus_resource": _nothing_is_announced,
    "reachable_url": _api_is_unreachable,
}
