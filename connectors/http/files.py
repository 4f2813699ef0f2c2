"""Files behind HTTP: sizes and validators, ranged reads, and whole downloads where ranges are not served."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING
from urllib.parse import quote

from connectors.files import FileSource, FileSourceSettings
from connectors.http.settings import HttpSettings
from fabric.errors import Cancelled, NotSupported, SourceChanged
from fabric.settings import FileTableSettings
from fabric.spi import ScanContext, Step
from fabric.types import FileStat

if TYPE_CHECKING:
    from connectors.http.client import Answer, HttpClient, Request

_KEPT = 4
_DIGEST = "sha256:"
# Compressed on the way, a file's ranges and its size would not be those of its bytes.
_AS_IS = {"accept-encoding": "identity"}


class HttpFiles(FileSource):
    """The file tables of an HTTP source.

    Args:
        name: the source's name in fabric.yaml.
        settings: its keys.
        directory: the project directory.
        client: sends the requests.
    """

    def __init__(self, name: str, settings: HttpSettings, directory: Path, client: HttpClient) -> None:
        tables = {k: v for k, v in settings.tables.items() if isinstance(v, FileTableSettings)}
        kept = {key: getattr(settings, key) for key in ("domain", "uri", "max_age", "limits")}
        super().__init__(
            name, FileSourceSettings.model_construct(type="http", tables=tables, **kept), directory
        )
        self._client = client
        self._whole = _WholeFiles()

    def check(self) -> Iterator[Step]:
        """Every file is there."""
        yield self._listed()

    def close(self) -> None:
        """Drop what was downloaded."""
        super().close()
        self._whole.close()

    def _walk(self, folder: str, deep: bool) -> Iterable[FileStat]:
        raise NotSupported("HTTP cannot list folders", hint="declare one table per file")

    def _request(self, path: str, **more: object) -> Request:
        from connectors.http.client import Request

        return Request(self._client.url(quote(path.lstrip("/"))), **more)  # type: ignore[arg-type]

    def _stat(self, path: str) -> FileStat | None:
        first = self._request(
            path,
            headers=_AS_IS | {"range": "bytes=0-0"},
            accept=frozenset({206, 404, 410, 416}),
            body="range",
        )
        answer = self._client.get(first, ScanContext())
        if answer.status in (404, 410):
            return None
        size = _size(answer)
        validator = _validator(answer, size)
        if size is None or validator is None:
            # Only a download tells the size, and whether a file without a mark is still the same.
            size, validator = self._whole.add(path, self._download(path, ScanContext()))
        modified = None
        with suppress(KeyError, ValueError):
            modified = parsedate_to_datetime(answer.headers["last-modified"])
        return FileStat(path, size, validator, modified)

    def _read(self, file: FileStat, ranges: Sequence[tuple[int, int]], context: ScanContext) -> list[bytes]:
        key = (file.path, file.validator)
        if not file.validator.startswith(_DIGEST) and not self._whole.has(key, context):
            parts: list[bytes] = []
            for offset, length in ranges:
                part = self._range(file, offset, length, context)
                if part is None:
                    break
                parts.append(part)
            else:
                return parts

        def fill(target: IO[bytes]) -> None:
            answer = self._download(file.path, context)(target)
            size = target.seek(0, os.SEEK_END)
            marked = not file.validator.startswith(_DIGEST)
            if size != file.size or file.validator != (
                _validator(answer, size) if marked else _digest(target)
            ):
                raise self._changed(file)

        return self._whole.read(key, ranges, fill, context)

    def _range(self, file: FileStat, offset: int, length: int, context: ScanContext) -> bytes | None:
        """The bytes of a range; None when the source serves whole files only."""
        if not length:
            return b""
        headers = _AS_IS | {"range": f"bytes={offset}-{offset + length - 1}"}
        if file.validator.startswith('"'):
            headers["if-match"] = file.validator
        request = self._request(
            file.path, headers=headers, accept=frozenset({206, 404, 410, 412, 416}), body="range"
        )
        answer = self._client.get(request, context)
        context.requests += answer.requests
        context.bytes += answer.received
        if answer.status not in (200, 206) or _validator(answer, _size(answer)) != file.validator:
            raise self._changed(file)
        if answer.status == 200:
            return None
        sent = re.match(r"bytes (\d+)-(\d+)/", answer.headers.get("content-range", ""))
        if sent is None or int(sent[1]) != offset or len(answer.body) != length:
            raise self._changed(file)
        return answer.body

    def _download(self, path: str, context: ScanContext) -> Callable[[IO[bytes]], Answer]:
        def fill(target: IO[bytes]) -> Answer:
            request = self._request(path, headers=_AS_IS, into=target, accept=frozenset({404, 410}))
            answer = self._client.get(request, context)
            context.requests += answer.requests
            context.bytes += answer.received
            if answer.status != 200:
                raise SourceChanged(self.name, f"file '{path}' is gone", hint="run the query again")
            return answer

        return fill

    def _changed(self, file: FileStat) -> SourceChanged:
        return SourceChanged(self.name, f"file '{file.path}' changed", hint="run the query again")


class _WholeFiles:
    """The last few files that had to be downloaded whole, on disk without a name."""

    def __init__(self) -> None:
        self._files: OrderedDict[tuple[str, str], IO[bytes]] = OrderedDict()
        self._lock = threading.Lock()

    @contextmanager
    def _held(self, context: ScanContext) -> Iterator[None]:
        # Downloads are made under the lock: a thread that waits for one must still heed a cancel.
        while not self._lock.acquire(timeout=0.1):
            if context.cancelled:
                raise Cancelled("the query was cancelled")
        try:
            yield
        finally:
            self._lock.release()

    def has(self, key: tuple[str, str], context: ScanContext) -> bool:
        with self._held(context):
            return key in self._files

    def add(self, path: str, fill: Callable[[IO[bytes]], object]) -> tuple[int, str]:
        """Download a file that has no mark of its own; its size and the digest that marks it."""
        with self._held(ScanContext()), _temporary(fill) as (made, release):
            size, digest = os.fstat(made.fileno()).st_size, _digest(made)
            if (path, digest) not in self._files:
                release()
                self._keep((path, digest), made)
        return size, digest

    def read(
        self,
        key: tuple[str, str],
        ranges: Sequence[tuple[int, int]],
        fill: Callable[[IO[bytes]], object],
        context: ScanContext,
    ) -> list[bytes]:
        with self._held(context):
            if key not in self._files:
                with _temporary(fill) as (made, release):
                    release()
                    self._keep(key, made)
            self._files.move_to_end(key)
            descriptor = self._files[key].fileno()
            return [os.pread(descriptor, length, offset) for offset, length in ranges]

    def _keep(self, key: tuple[str, str], made: IO[bytes]) -> None:
        self._files[key] = made
        while len(self._files) > _KEPT:
            self._files.popitem(last=False)[1].close()

    def close(self) -> None:
        with self._lock:
            while self._files:
                self._files.popitem()[1].close()


@contextmanager
def _temporary(fill: Callable[[IO[bytes]], object]) -> Iterator[tuple[IO[bytes], Callable[[], object]]]:
    """A filled file that is closed at the end unless it is released."""
    with ExitStack() as closing:
        made = closing.enter_context(tempfile.TemporaryFile())
        fill(made)
        made.flush()
        yield made, closing.pop_all


def _digest(file: IO[bytes]) -> str:
    file.seek(0)
    return _DIGEST + hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]


def _size(answer: Answer) -> int | None:
    """The whole file's size in bytes, where the headers tell it."""
    if answer.status in (206, 416):
        total = answer.headers.get("content-range", "").rpartition("/")[2]
    else:
        total = answer.headers.get("content-length", "")
    return int(total) if total.isdigit() else None


def _validator(answer: Answer, size: int | None) -> str | None:
    """What changes with the bytes: the ETag, else Last-Modified and size (RFC 9110, 8.8)."""
    if etag := answer.headers.get("etag"):
        return etag
    modified = answer.headers.get("last-modified")
    return None if modified is None or size is None else f"{modified} {size}"
