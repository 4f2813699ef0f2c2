"""What obstore's error texts mean.

obstore 0.12 raises one class for most failures; status, S3 error code and transport kind stand only in
the text. They are read here and nothing of the text travels on, for it holds addresses and key ids.
"""

from __future__ import annotations

import re

from fabric.errors import (
    BadData,
    IdentityRefused,
    SourceError,
    SourceLoginRefused,
    SourceTimeout,
    Throttled,
    Unreachable,
)

_STATUS = re.compile(r"non-2xx status code: (\d{3})")
_CODE = re.compile(r"<Code>(\w+)</Code>")
_KIND = re.compile(r"kind: (\w+)")


def is_missing(text: str) -> bool:
    """Whether the object is not there, or no longer the one that was asked for."""
    status, code = _found(_STATUS, text), _found(_CODE, text)
    return status in ("404", "412", "416") and code != "NoSuchBucket"


def translate(source: str, text: str, path: str) -> SourceError:
    """The error of ours for an error text of obstore's; ``path`` is the object, or empty for a listing."""
    status, code, kind = _found(_STATUS, text), _found(_CODE, text), _found(_KIND, text)
    subject = f"file '{path}'" if path else "the bucket"
    if code == "NoSuchBucket":
        return Unreachable(
            source, "the bucket does not exist", hint="check uri, endpoint and region", retryable=False
        )
    if code == "AuthorizationHeaderMalformed" or "BareRedirect" in text:
        return Unreachable(source, "the bucket is in another region", hint="set region", retryable=False)
    if code == "RequestTimeTooSkewed":
        return SourceLoginRefused(source, "the clocks differ too much", hint="set this machine's clock")
    if code == "AccessDenied":
        return SourceLoginRefused(
            source,
            f"{subject} may not be read",
            hint="grant s3:ListBucket and s3:GetObject to the credentials",
        )
    if status in ("401", "403"):
        return SourceLoginRefused(
            source,
            "the credentials are refused",
            hint="check access_key_id, secret_access_key, session_token",
        )
    if "credential provider" in text:
        return SourceLoginRefused(
            source, "no credentials could be had", hint="check role_arn and the rights to assume it"
        )
    if status in ("429", "503"):
        return Throttled(source, "the store asks for fewer requests", hint="lower limits: connections")
    if re.search(r"certificate|UnknownIssuer", text, re.IGNORECASE):
        return IdentityRefused(source, "the store's certificate is not trusted", hint="check endpoint")
    if kind == "Timeout" or "TimedOut" in text or "timed out" in text:
        return SourceTimeout(source, f"{subject} gave no answer in time", hint="raise timeout, or try later")
    if "InvalidPath" in text:
        return BadData(
            source, "an object's name holds control characters", hint="rename it, or narrow the table's path"
        )
    if status:
        return Unreachable(source, f"the store failed with status {status}", hint="try again later")
    return Unreachable(
        source, "the store cannot be reached", hint="check endpoint, the network and its state"
    )


def _found(pattern: re.Pattern[str], text: str) -> str:
    match = pattern.search(text)
    return match[1] if match else ""
