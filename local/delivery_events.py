"""What SES reports about an email that it has accepted: the entries for EventBridge.

SES Developer Guide, "Contents of event data that Amazon SES publishes to Amazon SNS" (the same for every kind of
destination) has the fields. "Sending test emails in Amazon SES with the simulator" has the recipients that bounce or
complain; the mail server of any other recipient accepts the email.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from email.utils import parseaddr
from typing import Any

SIMULATOR = "simulator.amazonses.com"

# The type in the event, its type in an event destination, and EventBridge's name for it.
_TYPES = {
    "Send": ("SEND", "Email Sent"),
    "Delivery": ("DELIVERY", "Email Delivered"),
    "Bounce": ("BOUNCE", "Email Bounced"),
    "Complaint": ("COMPLAINT", "Email Complaint Received"),
}
_SIMULATED = {
    "bounce": ("Bounce",),
    # As if the address were on SES's global suppression list.
    "suppressionlist": ("Bounce",),
    # The email is delivered, and then marked as spam.
    "complaint": ("Delivery", "Complaint"),
}


@dataclass(frozen=True)
class Accepted:
    """An email that SES accepted: the SendEmail request, SES's id, and when."""

    request: dict[str, Any]
    message_id: str
    at: str

    @property
    def recipient(self) -> str:
        (recipient,) = self.request["Destination"]["ToAddresses"]
        return str(recipient)

    def outcome(self) -> tuple[str, ...]:
        """The types of the events after `Send`."""
        name, _, domain = self.recipient.lower().rpartition("@")
        # A label after a + distinguishes the recipients of a test.
        simulated = _SIMULATED.get(name.split("+")[0]) if domain == SIMULATOR else None
        return simulated or ("Delivery",)

    def entries(self, types: Iterable[str], wanted: Collection[str], at: str) -> list[dict[str, Any]]:
        """The events of these types that happened at a time. `wanted` are the types of the event destination."""
        return [self._entry(each, at) for each in types if _TYPES[each][0] in wanted]

    def _entry(self, event_type: str, at: str) -> dict[str, Any]:
        details = _details(event_type, self.recipient, at)
        detail = {"eventType": event_type, "mail": self._mail(), event_type.lower(): details}
        return {"Source": "aws.ses", "DetailType": _TYPES[event_type][1], "Detail": json.dumps(detail)}

    def _mail(self) -> dict[str, Any]:
        sender = parseaddr(self.request["FromEmailAddress"])[1]
        tags = {tag["Name"]: [tag["Value"]] for tag in self.request.get("EmailTags", [])}
        # SES adds these itself ("Auto-tags").
        tags["ses:configuration-set"] = [self.request["ConfigurationSetName"]]
        tags["ses:from-domain"] = [sender.rpartition("@")[2]]
        mail = {"timestamp": self.at, "source": sender, "messageId": self.message_id}
        return {**mail, "destination": [self.recipient], "tags": tags}


def _details(event_type: str, recipient: str, at: str) -> dict[str, Any]:
    if event_type == "Delivery":
        return {"timestamp": at, "recipients": [recipient], "smtpResponse": "250 2.6.0 Message received"}
    if event_type == "Bounce":
        suppressed = recipient.lower().startswith("suppressionlist")
        bounced = [{"emailAddress": recipient, "action": "failed", "status": "5.1.1"}]
        subtype = "Suppressed" if suppressed else "General"
        return {"timestamp": at, "bounceType": "Permanent", "bounceSubType": subtype, "bouncedRecipients": bounced}
    if event_type == "Complaint":
        complained = [{"emailAddress": recipient}]
        return {"timestamp": at, "complainedRecipients": complained, "complaintFeedbackType": "abuse"}
    return {}
