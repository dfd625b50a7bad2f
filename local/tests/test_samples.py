"""The sample events of events/: each is for one function, and `make sam-local` knows the status of each request."""

from __future__ import annotations

import unittest

from local import samples, template
from local.sam_local import STATUSES


class Samples(unittest.TestCase):
    def test_every_function_has_a_sample_and_every_sample_a_function(self) -> None:
        functions = {sample.function for sample in samples.every()}
        self.assertEqual(functions, template.functions().keys())

    def test_sample_is_for_the_function_that_reads_its_source(self) -> None:
        functions = {sample.name: sample.function for sample in samples.every()}
        for name, function in (
            ("enroll", "EnrollFunction"),
            ("emails", "EmailWorkerFunction"),
            ("feedback-bounced", "EmailFeedbackFunction"),
            ("announce-emails", "AnnouncerFunction"),
            ("resume", "ResumerFunction"),
            ("hold-watch", "HoldWatchFunction"),
        ):
            self.assertEqual(functions[name], function)

    def test_every_request_has_its_statuses(self) -> None:
        requests = {sample.name for sample in samples.every() if sample.is_request}
        self.assertEqual(requests, STATUSES.keys())


if __name__ == "__main__":
    unittest.main()
