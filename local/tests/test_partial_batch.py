"""How much of a stream's batch is handled: Lambda Developer Guide, "Configuring partial batch response"."""

from __future__ import annotations

import json
import unittest

from local.partial_batch import handled

RECORDS = [{"dynamodb": {"SequenceNumber": number}} for number in ("7", "8", "9")]


class PartialBatch(unittest.TestCase):
    def test_batch_ends_before_its_first_failure(self) -> None:
        for failed, expected in ((["7"], 0), (["8"], 1), (["9", "8"], 1), ([], 3)):
            body = {"batchItemFailures": [{"itemIdentifier": number} for number in failed]}
            self.assertEqual(handled(RECORDS, body), expected, failed)
            self.assertEqual(handled(RECORDS, json.dumps(body)), expected, failed)

    def test_response_without_a_list_is_a_success(self) -> None:
        for body in (None, {}, {"batchItemFailures": None}, "null"):
            self.assertEqual(handled(RECORDS, body), 3, body)

    def test_unknown_identifier_fails_the_batch(self) -> None:
        for identifier in ("", None, "10"):
            body = {"batchItemFailures": [{"itemIdentifier": "9"}, {"itemIdentifier": identifier}]}
            self.assertEqual(handled(RECORDS, body), 0, identifier)


if __name__ == "__main__":
    unittest.main()
