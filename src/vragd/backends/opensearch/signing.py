"""Requests signed for AWS (SigV4), with the credentials that AWS's own tools find."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from botocore import exceptions as aws
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.session import Session

from vragd.backends.aws.process import bound
from vragd.errors import BackendRefused

SERVICE = "es"
_WAY_OUT = "aws configure, aws sso login, or profile: in the store's backend settings"


class Signed:
    """An `http.connect.Credentials`. Thread-safe."""

    shown = "the signature of these AWS credentials"

    def __init__(self, region: str, profile: str | None) -> None:
        self._region, self._profile = region, profile
        self._lock = threading.Lock()
        self._known: Any = None

    def headers(self, method: str, url: str, body: bytes, content_type: str) -> Mapping[str, str]:
        request = AWSRequest(method, url, {"Content-Type": content_type}, body)
        try:
            with self._lock:
                if self._known is None:
                    bound()
                    self._known = Session(profile=self._profile).get_credentials()
                if self._known is None:
                    raise BackendRefused("no AWS credentials are found", hint=_WAY_OUT)
                SigV4Auth(self._known.get_frozen_credentials(), SERVICE, self._region).add_auth(request)
        except (aws.BotoCoreError, OSError, ValueError) as error:  # of the last two a `credential_process`
            raise BackendRefused(f"no usable AWS credentials ({type(error).__name__})", hint=_WAY_OUT) from None
        signed = {"Authorization", "X-Amz-Date", "X-Amz-Security-Token", "X-Amz-Content-SHA256"}
        return {key: value for key, value in request.headers.items() if key in signed}

    def forget(self) -> None:
        with self._lock:
            self._known = None
