"""What SES reports about an accepted email: SES Developer Guide, "Contents of event data that Amazon SES publishes"."""

from __future__ import annotations

import json
import unittest
from typing import Any

from local.delivery_events import Accepted

ALL = {"SEND", "DELIVERY", "BOUNCE", "COMPLAINT"}
ACCEPTED_AT, AT = "2026-11-23T09:30:00.887Z", "2026-11-23T09:30:02.318Z"


def email_to(recipient: str) -> Accepted:
    request = {
        "FromEmailAddress": "Example Courses <registrar@example.com>",
        "Destination": {"ToAddresses": [recipient]},
        "ConfigurationSetName": "set-1",
        "EmailTags": [{"Name": "job_id", "Value": "job-1"}],
    }
    return Accepted(request, "message-1", ACCEPTED_AT)


def events_about(recipient: str, wanted: set[str] = ALL) -> list[dict[str, Any]]:
    email = email_to(recipient)
    entries = email.entries(("Send", *email.outcome()), wanted, AT)
    return [json.loads(entry["Detail"]) for entry in entries]


class DeliveryEvents(unittest.TestCase):
    def test_recipient_decides_about_the_outcome(self) -> None:
        for recipient, expected in (
            ("ada@example.com", ("Delivery",)),
            ("bounce@example.com", ("Delivery",)),
            ("bounce@simulator.amazonses.com", ("Bounce",)),
            ("bounce+1@simulator.amazonses.com", ("Bounce",)),
            ("suppressionlist@simulator.amazonses.com", ("Bounce",)),
            ("complaint@simulator.amazonses.com", ("Delivery", "Complaint")),
            ("success@simulator.amazonses.com", ("Delivery",)),
        ):
            self.assertEqual(email_to(recipient).outcome(), expected, recipient)

    def test_destination_gets_only_its_types(self) -> None:
        events = events_about("complaint@simulator.amazonses.com", {"COMPLAINT"})
        self.assertEqual([event["eventType"] for event in events], ["Complaint"])

    def test_event_names_the_email_and_its_tags(self) -> None:
        for event in events_about("complaint@simulator.amazonses.com"):
            mail = event["mail"]
            self.assertEqual((mail["messageId"], mail["source"]), ("message-1", "registrar@example.com"))
            self.assertEqual(mail["timestamp"], ACCEPTED_AT)
            self.assertEqual(mail["destination"], ["complaint@simulator.amazonses.com"])
            self.assertEqual(mail["tags"]["job_id"], ["job-1"])
            self.assertEqual(mail["tags"]["ses:configuration-set"], ["set-1"])

    def test_bounce_is_permanent_and_says_why(self) -> None:
        for name, expected in (("bounce", "General"), ("suppressionlist", "Suppressed")):
            (bounce,) = (event["bounce"] for event in events_about(f"{name}@simulator.amazonses.com", {"BOUNCE"}))
            self.assertEqual((bounce["bounceType"], bounce["bounceSubType"]), ("Permanent", expected))
            self.assertEqual(bounce["timestamp"], AT)


if __name__ == "__main__":
    unittest.main()
