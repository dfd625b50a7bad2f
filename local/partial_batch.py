"""What a function has handled of the batch of a stream."""

from __future__ import annotations

import json
from typing import Any


def handled(records: list[Any], body: Any) -> int:
    """How many records come before the first that the function reports as failed.

    The whole batch has failed if an identifier is empty or unknown (Lambda Developer Guide, "Configuring partial batch
    response with DynamoDB and Lambda").
    """
    response = json.loads(body) if isinstance(body, (str, bytes)) else body
    failures = (response or {}).get("batchItemFailures") or []
    numbers = [record["dynamodb"]["SequenceNumber"] for record in records]
    failed = [failure.get("itemIdentifier") for failure in failures]
    if not failed:
        return len(records)
    return min(numbers.index(number) for number in failed) if set(failed) <= set(numbers) else 0
