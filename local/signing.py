"""Signed requests to the API."""

from __future__ import annotations

import urllib.request

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials

from local import environment
from local.stack import Credentials


def signed(who: Credentials, method: str, url: str, body: bytes) -> urllib.request.Request:
    request = AWSRequest(method, url, data=body, headers={"content-type": "application/json"})
    credentials = BotoCredentials(who.access_key_id, who.secret_access_key)
    SigV4Auth(credentials, "execute-api", environment.REGION).add_auth(request)
    prepared = request.prepare()
    return urllib.request.Request(prepared.url, body, dict(prepared.headers), method=method)
