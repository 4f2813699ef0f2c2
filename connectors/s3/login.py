"""Credentials for S3, from fabric.yaml or the chain that every AWS tool follows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from fabric.errors import InvalidConfig, SourceLoginRefused

if TYPE_CHECKING:
    from connectors.s3 import S3Settings

# botocore renews what expires by itself, 15 minutes ahead; we only have to ask it now and then.
_LIFETIME = timedelta(minutes=2)

Provider = Callable[[], Any]


def make_session(name: str, settings: S3Settings) -> Any:
    """A boto3 session for the source's profile, region and keys.

    Raises:
        InvalidConfig: the profile is unknown.
    """
    import boto3
    from botocore.exceptions import ProfileNotFound

    secret, token = settings.secret_access_key, settings.session_token
    try:
        return boto3.Session(
            aws_access_key_id=settings.access_key_id,
            aws_secret_access_key=secret.get_secret_value() if secret else None,
            aws_session_token=token.get_secret_value() if token else None,
            profile_name=settings.profile,
            region_name=settings.region,
        )
    except ProfileNotFound:
        raise InvalidConfig(
            f"source '{name}': profile '{settings.profile}' is not in the AWS configuration",
            hint="see ~/.aws/config and ~/.aws/credentials of the user that runs Ripstop",
        ) from None


def region_of(session: Any) -> str:
    """The session's region, or the one that stores without regions are asked in."""
    return str(session.region_name or "us-east-1")


def make_provider(name: str, settings: S3Settings, session: Any) -> Provider:
    """What obstore asks for credentials: the chain of boto3 and, with ``role_arn``, the assumed role.

    Raises:
        SourceLoginRefused: no credentials are found.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        credentials = session.get_credentials()
    except (BotoCoreError, ClientError):
        credentials = None
    if credentials is None:
        raise SourceLoginRefused(
            name,
            "no credentials for S3 are found",
            hint="set access_key_id and secret_access_key, or profile, or `anonymous: true`",
        )
    if settings.role_arn:
        credentials = _assume(settings, session, credentials)

    def provide() -> Any:
        try:
            frozen = credentials.get_frozen_credentials()
        except (BotoCoreError, ClientError):
            # obstore would print this error with its traceback; the source's name is added by the caller.
            raise PermissionError("no credentials") from None
        return {
            "access_key_id": frozen.access_key,
            "secret_access_key": frozen.secret_key,
            "token": frozen.token,
            "expires_at": datetime.now(UTC) + _LIFETIME,
        }

    return provide


def _assume(settings: S3Settings, session: Any, source: Any) -> Any:
    from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials

    def create_client(service: str, **options: Any) -> Any:
        # A store with an endpoint of its own (MinIO, Ceph) answers STS there too.
        return session.client(
            service, endpoint_url=settings.endpoint, region_name=region_of(session), **options
        )

    extra = {"RoleSessionName": "ripstop"}
    if settings.external_id:
        extra["ExternalId"] = settings.external_id
    fetcher = AssumeRoleCredentialFetcher(create_client, source, settings.role_arn, extra_args=extra)
    return DeferredRefreshableCredentials(refresh_using=fetcher.fetch_credentials, method="assume-role")
