"""Starts the emulator with some of its functions replaced: the quirks that nothing outside of it can work around.

It runs with the Python of .venv/emulator. Its arguments name the replacements; local/quirks.py describes them.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from datetime import datetime, timezone
from http import HTTPStatus
from typing import Any

from ministack import app
from ministack.core.concurrency import spawn_background
from ministack.services import apigateway, cloudwatch, eventbridge, lambda_svc, ses_v2

from local import delivery_events as deliveries
from local import partial_batch, token_rules


def alarm_evaluation() -> None:
    cloudwatch._evaluate_alarm = lambda _alarm: None


def lambda_metrics() -> None:
    def record(function: str, name: str, value: float, unit: str = "Count") -> None:
        cloudwatch.record_metric("AWS/Lambda", name, value, unit, {"FunctionName": function})

    def throttled(function: str, *, duration_ms: float, throttle: bool, **_other: Any) -> None:
        # The emulator reports it where it refuses an invocation, without a duration, and again where it responds.
        if throttle and not duration_ms:
            record(function, "Throttles", 1)

    dispatch = lambda_svc._execute_function_dispatch

    def counted(func: Any, config: Any, *args: Any) -> Any:
        started = time.monotonic()
        result = dispatch(func, config, *args)
        function = config["FunctionName"]
        record(function, "Invocations", 1)
        record(function, "Errors", 1 if isinstance(result, dict) and result.get("error") else 0)
        record(function, "Throttles", 0)
        record(function, "Duration", (time.monotonic() - started) * 1000, "Milliseconds")
        return result

    lambda_svc._emit_lambda_metrics = throttled
    lambda_svc._execute_function_dispatch = counted


def api_metrics() -> None:
    execute = apigateway._handle_execute_in_scope

    async def counted(api_id: str, *args: Any, **kwargs: Any) -> Any:
        response = await execute(api_id, *args, **kwargs)
        for name, hundred in (("4xx", 4), ("5xx", 5)):
            is_one = response[0] // 100 == hundred
            cloudwatch.record_metric("AWS/ApiGateway", name, 1 if is_one else 0, "Count", {"ApiId": api_id})
        return response

    apigateway._handle_execute_in_scope = counted


def jwt_authorizers() -> None:
    validate = apigateway._validate_jwt_authorizer
    find = apigateway._extract_token_from_identity_source

    async def strict(route: Any, authorizer: Any, headers: Any, query: Any) -> Any:
        token = find(authorizer.get("identitySource", []), headers, query)
        if token and token_rules.problem(token, time.time()):
            return None, None, apigateway._jwt_unauthorized()
        claims, scopes, refusal = await validate(route, authorizer, headers, query)
        return token_rules.as_passed(claims or {}), scopes, refusal

    apigateway._validate_jwt_authorizer = strict


def signed_routes() -> None:
    enforce = app._enforce_execute_api

    def signed(api_id: str, stage: str, method: str, path: str, headers: Any, *args: Any, **kwargs: Any) -> Any:
        given = headers.get("authorization", "")
        is_foreign = given and not given.startswith("AWS4-HMAC-SHA256")
        if is_foreign and app._execute_api_authorization_type(api_id, stage, method, path) == "AWS_IAM":
            return apigateway._jwt_forbidden()
        return enforce(api_id, stage, method, path, headers, *args, **kwargs)

    app._enforce_execute_api = signed


def cors_configuration() -> None:
    def with_api_names(respond: Any) -> Any:
        def renamed(configuration: Any, origin: str) -> Any:
            return respond({name[:1].lower() + name[1:]: value for name, value in configuration.items()}, origin)

        return renamed

    apigateway._cors_response_headers = with_api_names(apigateway._cors_response_headers)
    apigateway._cors_preflight_response = with_api_names(apigateway._cors_preflight_response)


STREAM_POLL_SECONDS = 0.2


def stream_batches() -> None:
    execute = lambda_svc._execute_function
    poll = lambda_svc._poll_dynamodb_streams
    left: dict[str, int] = {}

    def checked(function: Any, event: Any) -> Any:
        result = execute(function, event)
        records = event.get("Records") if isinstance(event, dict) else None
        if not records or records[0].get("eventSource") != "aws:dynamodb" or result.get("error"):
            return result
        handled = partial_batch.handled(records, result.get("body"))
        if handled == 0:
            # The emulator retries the batch, as after an error of the function.
            return {**result, "error": True}
        left[records[0]["eventSourceARN"]] = len(records) - handled
        return result

    def poll_again_from_the_first_failure() -> Any:
        processed = poll()
        for scope, source in list(lambda_svc._esms._data.items()):
            records = left.pop(source["EventSourceArn"], 0)
            if records:
                # The emulator has advanced by the whole batch.
                with lambda_svc._dynamodb_stream_positions_lock:
                    lambda_svc._dynamodb_stream_positions._data[scope] -= records
        return processed

    def poll_forever() -> None:
        while True:
            if not poll_again_from_the_first_failure():
                time.sleep(STREAM_POLL_SECONDS)

    lambda_svc._execute_function = checked
    lambda_svc._poll_dynamodb_streams = lambda: False
    threading.Thread(target=poll_forever, daemon=True).start()


# What a recipient's mail server takes.
DELIVERY_SECONDS = 1


def delivery_events() -> None:
    respond = ses_v2.handle_request

    async def reported(method: str, path: str, headers: Any, body: Any, query: Any) -> Any:
        response = await respond(method, path, headers, body, query)
        is_send = method == "POST" and path.rstrip("/").endswith("/outbound-emails")
        if is_send and response[0] == HTTPStatus.OK:
            message_id = json.loads(response[2])["MessageId"]
            email = deliveries.Accepted(json.loads(body), message_id, _now())
            # Beside the response: an event may arrive before it, or after it.
            spawn_background(_publish, email, thread_name="delivery-events")
        return response

    ses_v2.handle_request = reported


def _publish(email: deliveries.Accepted) -> None:
    _put_events(email, ("Send",))
    time.sleep(DELIVERY_SECONDS)
    _put_events(email, email.outcome())


def _put_events(email: deliveries.Accepted, types: tuple[str, ...]) -> None:
    configuration_set = ses_v2._config_sets.get(email.request.get("ConfigurationSetName", "")) or {}
    for destination in configuration_set.get("EventDestinations", {}).values():
        if destination["Enabled"] and "EventBridgeDestination" in destination:
            entries = email.entries(types, destination["MatchingEventTypes"], _now())
            eventbridge._put_events({"Entries": entries}, allow_aws_source=True)


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


if __name__ == "__main__":
    every = [
        alarm_evaluation,
        lambda_metrics,
        api_metrics,
        jwt_authorizers,
        signed_routes,
        cors_configuration,
        stream_batches,
        delivery_events,
    ]
    replacements = {each.__name__: each for each in every}
    for argument in sys.argv[1:]:
        replacements[argument]()
    sys.argv[1:] = []
    app.main()
