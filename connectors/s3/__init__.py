"""Objects in S3, or in a store that speaks its protocol."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field, SecretStr, field_validator, model_validator

from connectors.files import FileSource, FileSourceSettings
from connectors.s3.errors import is_missing, translate
from connectors.s3.login import make_provider, make_session, region_of
from fabric.errors import MissingExtra, SourceChanged
from fabric.settings import SourceLimits
from fabric.spi import ScanContext, Step
from fabric.types import FileStat

_RETRIES = 3


class S3Settings(FileSourceSettings):
    """The keys of an ``s3`` source; without keys or profile, the AWS credential chain is followed."""

    uri: str = Field(description="s3://bucket or s3://bucket/prefix")
    endpoint: str | None = Field(default=None, description="another store than AWS; http:// is allowed here")
    region: str | None = Field(default=None, description="default: the profile's, else us-east-1")
    access_key_id: str | None = None
    secret_access_key: SecretStr | None = None
    session_token: SecretStr | None = None
    profile: str | None = Field(default=None, description="a profile of the AWS configuration files")
    role_arn: str | None = Field(default=None, description="a role to assume with those credentials")
    external_id: str | None = Field(default=None, description="the external id that the role asks for")
    path_style: bool | None = Field(default=None, description="default: true when endpoint is given")
    anonymous: bool = Field(default=False, description="send no credentials")
    limits: SourceLimits = Field(default_factory=lambda: SourceLimits(connections=16))

    @field_validator("uri")
    @classmethod
    def _bucket(cls, uri: str) -> str:
        if not re.fullmatch(r"s3a?://[^/?#]+(/[^?#]*)?", uri):
            raise ValueError("an S3 uri is s3://bucket or s3://bucket/prefix")
        return uri

    @field_validator("endpoint")
    @classmethod
    def _endpoint(cls, endpoint: str | None) -> str | None:
        if endpoint is not None and not re.fullmatch(r"https?://[^/?#@]+/?", endpoint):
            raise ValueError("an endpoint is http://host:port or https://host:port")
        return endpoint.rstrip("/") if endpoint else endpoint

    @model_validator(mode="after")
    def _both_keys(self) -> S3Settings:
        if (self.access_key_id is None) != (self.secret_access_key is None):
            raise ValueError("access_key_id and secret_access_key go together")
        return self


class S3Connector(FileSource):
    """A bucket or a prefix of one; each read is conditional on the ETag that was listed."""

    Settings: ClassVar[type[FileSourceSettings]] = S3Settings
    extra: ClassVar[str] = "s3"
    # Measured over 100 MB of Parquet: larger blocks fetch much that a few columns do not need.
    block_bytes: ClassVar[int] = 1 << 17
    settings: S3Settings

    def __init__(self, name: str, settings: S3Settings, directory: Path) -> None:
        super().__init__(name, settings, directory)
        try:
            import boto3  # noqa: F401
            import obstore  # noqa: F401
        except ImportError:
            raise MissingExtra(
                f"source '{name}' needs the S3 libraries", hint="pip install 'ripstop[s3]'"
            ) from None
        self._slots = threading.BoundedSemaphore(settings.limits.connections)
        self._pool = ThreadPoolExecutor(settings.limits.connections, thread_name_prefix=f"s3-{name}")
        self._opening = threading.Lock()

    def check(self) -> Iterator[Step]:
        """Credentials are found, the store answers and accepts them, every table has files."""
        store = self._opened()
        yield Step("resolved", "without credentials" if self.settings.anonymous else "credentials found")
        import obstore

        with self._translated():
            next(iter(obstore.list(store, chunk_size=1)), None)
        yield Step("connected")
        yield Step("logged in")
        yield self._listed()

    def close(self) -> None:
        """End the reading threads; obstore's own connections end with the store."""
        super().close()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _opened(self) -> Any:
        # Credentials may be asked of the network (IMDS, STS): on first use, and by one thread.
        with self._opening:
            return self._store

    @cached_property
    def _store(self) -> Any:
        from obstore.store import S3Store

        settings = self.settings
        session = make_session(self.name, settings)
        provider = None if settings.anonymous else make_provider(self.name, settings, session)
        bucket, _, prefix = re.sub(r"^s3a?://", "", settings.uri).partition("/")
        path_style = settings.endpoint is not None if settings.path_style is None else settings.path_style
        config: Any = {
            "region": region_of(session),
            "virtual_hosted_style_request": not path_style,
            "skip_signature": settings.anonymous,
        }
        if settings.endpoint:
            scheme, _, host = settings.endpoint.partition("://")
            endpoint = settings.endpoint if path_style else f"{scheme}://{bucket}.{host}"
            # The second key keeps AWS_ENDPOINT_URL_S3 of our environment from winning.
            config |= {"endpoint": endpoint, "aws_endpoint_url_s3": endpoint}
        return S3Store(
            bucket,
            prefix=prefix.strip("/") or None,
            config=config,
            credential_provider=provider,
            client_options={
                "allow_http": (settings.endpoint or "").startswith("http:"),
                "connect_timeout": timedelta(seconds=settings.connect_timeout),
                "read_timeout": timedelta(seconds=settings.timeout),
                # obstore bounds a whole request by 30 s; silence is what shows a dead store.
                "timeout": timedelta(days=1),
            },
            retry_config={
                "max_retries": _RETRIES,
                "retry_timeout": timedelta(seconds=settings.timeout),
                "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=5)},
            },
        )

    def _walk(self, folder: str, deep: bool) -> Iterable[FileStat]:
        import obstore

        store = self._opened()
        with self._slots, self._translated():
            if deep:
                found = obstore.list(store, folder or None, chunk_size=1000).collect()
            else:
                found = obstore.list_with_delimiter(store, folder or None)["objects"]
        # An object of no bytes may be a folder's marker, whose name obstore gives without its slash.
        return [_file(meta) for meta in found if meta["size"] or self._stat(meta["path"])]

    def _stat(self, path: str) -> FileStat | None:
        import obstore

        store = self._opened()
        try:
            with self._slots, self._translated(path):
                return _file(obstore.head(store, path))
        except _Missing:
            return None

    def _read(self, file: FileStat, ranges: Sequence[tuple[int, int]], context: ScanContext) -> list[bytes]:
        self._opened()
        if len(ranges) == 1:
            return [self._get(file, *ranges[0])]
        return list(self._pool.map(lambda each: self._get(file, *each), ranges))

    def _get(self, file: FileStat, offset: int, length: int) -> bytes:
        import obstore

        if not length:
            return b""
        options: Any = {"range": (offset, offset + length)}
        if file.validator.startswith('"'):
            options["if_match"] = file.validator
        try:
            with self._slots, self._translated(file.path):
                answer = obstore.get(self._store, file.path, options=options)
                if _validator(answer.meta) == file.validator:
                    return bytes(answer.bytes())
        except _Missing:
            pass
        raise SourceChanged(self.name, f"file '{file.path}' changed", hint="run the query again")

    @contextmanager
    def _translated(self, path: str = "") -> Iterator[None]:
        from obstore.exceptions import BaseError

        try:
            yield
        except (BaseError, OSError, ValueError) as error:
            if path and is_missing(str(error)):
                raise _Missing from None
            raise translate(self.name, str(error), path) from None


class _Missing(Exception):
    """The object is gone or another one; whether that is an error is the caller's to say."""


def _validator(meta: Mapping[str, Any]) -> str:
    return str(meta["e_tag"] or f"{meta['last_modified'].isoformat()}-{meta['size']}")


def _file(meta: Mapping[str, Any]) -> FileStat:
    return FileStat(meta["path"], meta["size"], _validator(meta), meta["last_modified"])
