"""One login at an FTP server: listing, and files read forward from any place."""

from __future__ import annotations

import ftplib
import posixpath
import socket
from collections.abc import Iterator
from dataclasses import dataclass

from connectors.ftp.channel import FtpChannel
from connectors.ftp.listing import Entry, parse_facts, parse_list, parse_time
from connectors.remote.transfer import Transfer
from fabric.errors import BadData, SourceChanged, SourceError, SourceLoginRefused
from fabric.types import FileStat

_BUFFER = 256 << 10
# Reading on costs less than a new transfer with its half dozen round trips.
_SKIP = 1 << 20
_DEEPEST = 32
_UNKNOWN = ("500", "502", "504")


@dataclass
class _Stream:
    """A RETR under way: the next byte is that of ``position``."""

    path: str
    file: FileStat
    position: int
    data: socket.socket


class FtpSession:
    """A ``connectors.remote.session_pool.Session`` over FTP.

    A transfer that was not read to its end stays open, so that reading on costs no round trip.

    Args:
        source: the source's name, for errors.
        channel: not connected yet.
    """

    def __init__(self, source: str, channel: FtpChannel) -> None:
        self._source = source
        self._channel = channel
        self._stream: _Stream | None = None

    def connect(self) -> None:
        """As ``Session.connect``."""
        self._channel.connect()

    def alive(self) -> bool:
        """As ``Session.alive``."""
        # A server that has sent the rest of a transfer ahead says so before we have read it.
        return self.streaming or self._channel.alive()

    def abort(self) -> None:
        """As ``Session.abort``."""
        self._channel.abort()

    def close(self) -> None:
        """As ``Session.close``."""
        self._channel.close()

    @property
    def _machine(self) -> bool:
        """Whether the server tells of files in the exact form of RFC 3659."""
        return "MLST" in self._channel.features

    @property
    def streaming(self) -> bool:
        """Whether a transfer is open; whatever else is asked of the session ends it."""
        return self._stream is not None

    def continues(self, path: str, file: FileStat, offset: int) -> bool:
        """Whether the open transfer gets to ``offset`` of that file soon."""
        stream = self._stream
        return (
            stream is not None
            and (stream.path, stream.file) == (path, file)
            and 0 <= offset - stream.position <= _SKIP
        )

    def leave(self) -> None:
        """End the open transfer."""
        stream, self._stream = self._stream, None
        if stream is not None:
            with self._channel.faults(stream.file.path):
                self._channel.abandon(stream.data)

    def fill(self, path: str, file: FileStat, transfer: Transfer) -> None:
        """Read what the transfer still lacks of a file; the caller verifies the file afterwards.

        Raises:
            SourceChanged: the file is another one now, or gone.
        """
        with self._channel.faults(file.path):
            for offset, length in transfer.missing:
                if not self.continues(path, file, offset):
                    self._start(path, file, offset)
                self._pull(offset, length, transfer)

    def verify(self, path: str, file: FileStat) -> None:
        """Ask whether the file is still the one that was listed.

        Raises:
            SourceChanged: it is not.
        """
        found = self.stat(path)
        if found is None or found.validator != file.validator:
            raise SourceChanged(self._source, f"file '{file.path}' changed", hint="run the query again")

    def _start(self, path: str, file: FileStat, offset: int) -> None:
        self.leave()
        self.verify(path, file)
        try:
            data = self._channel.start("I", f"RETR {path}", offset)
        except ftplib.error_perm as error:
            if str(error).startswith("550"):
                raise SourceLoginRefused(
                    self._source, f"we may not read '{file.path}'", hint="have the server's owner grant it"
                ) from None
            raise
        self._stream = _Stream(path, file, offset, data)

    def _pull(self, offset: int, length: int, transfer: Transfer) -> None:
        stream = self._stream
        if stream is None:
            raise EOFError
        buffer = memoryview(bytearray(_BUFFER))
        while stream.position < offset + length:
            got = stream.data.recv_into(buffer[: min(_BUFFER, offset + length - stream.position)])
            if not got:
                raise EOFError
            skipped = min(got, max(0, offset - stream.position))
            if skipped < got:
                transfer.put(stream.position + skipped, buffer[skipped:got])
            stream.position += got
        if stream.position == stream.file.size:
            self._stream = None
            more = stream.data.recv(1)
            if more:
                self._channel.abandon(stream.data)
                raise SourceChanged(
                    self._source, f"file '{stream.file.path}' grew", hint="run the query again"
                )
            self._channel.finish(stream.data)

    def stat(self, path: str) -> FileStat | None:
        """One file, or None; its ``path`` is the one given.

        By MLST where offered, else by SIZE and MDTM, else from its folder's listing.
        """
        self.leave()
        with self._channel.faults(path):
            if not self._machine:
                return self._measure(path)
            try:
                reply = self._channel.ask(f"MLST {path}").splitlines()
            except ftplib.error_perm:
                return None
            entry = next((parse_facts(line.strip()) for line in reply[1:-1] if "=" in line), None)
            if entry is None or entry.kind in ("folder", "other"):
                return None
            return self._file(path, entry) or self._measure(path)

    def _file(self, path: str, entry: Entry) -> FileStat | None:
        """What a listing tells exactly; None where it must be asked for (links, missing facts)."""
        if entry.kind != "file" or entry.size is None or entry.modified is None:
            return None
        return FileStat(path, entry.size, f"{entry.modified}-{entry.size}", parse_time(entry.modified))

    def _measure(self, path: str) -> FileStat | None:
        self._channel.set_mode("I")
        try:
            size = int(self._channel.ask(f"SIZE {path}")[4:])
            modified = self._channel.ask(f"MDTM {path}")[4:].strip()
        except ftplib.error_perm as error:
            if not str(error).startswith(_UNKNOWN):
                return None
            folder, name = posixpath.split(path)
            entry = next((entry for entry in self._entries(folder) or [] if entry.name == name), None)
            return self._file(path, entry) if entry is not None else None
        return FileStat(path, size, f"{modified}-{size}", parse_time(modified))

    def walk(self, root: str, folder: str, deep: bool) -> list[FileStat]:
        """The files of a folder under ``root``; none when it does not exist.

        What must be asked for file by file has an empty validator yet.

        Raises:
            SourceLoginRefused: a folder may not be listed.
            SourceError: the root does not exist.
        """
        self.leave()
        with self._channel.faults(folder or "."):
            top = posixpath.join(root, folder)
            if (entries := self._entries(top)) is not None:
                return list(self._descend(top, folder, entries, deep, 0))
            if folder and self._entries(root) is not None:
                if self._is_listed(top):
                    raise self._may_not_list(folder)
                return []
        raise SourceError(self._source, "the folder in its uri does not exist", hint="check the path in uri")

    def _descend(
        self, where: str, folder: str, entries: list[Entry], deep: bool, depth: int
    ) -> Iterator[FileStat]:
        if depth > _DEEPEST:
            raise BadData(
                self._source, f"folders nest too deep at '{folder}'", hint="does a link lead back up there?"
            )
        for entry in entries:
            path, beneath = posixpath.join(folder, entry.name), posixpath.join(where, entry.name)
            if entry.kind in ("file", "link"):
                exact = self._file(path, entry) if self._machine else None
                yield exact or FileStat(path, entry.size or 0, "")
            elif entry.kind == "folder" and deep:
                inner = self._entries(beneath)
                if inner is None:
                    raise self._may_not_list(path)
                yield from self._descend(beneath, path, inner, deep, depth + 1)

    def _is_listed(self, folder: str) -> bool:
        parent, name = posixpath.split(folder)
        return any(entry.name == name for entry in self._entries(parent) or [])

    def _may_not_list(self, folder: str) -> SourceLoginRefused:
        return SourceLoginRefused(
            self._source, f"we may not list '{folder}'", hint="have the server's owner grant it"
        )

    def _entries(self, folder: str) -> list[Entry] | None:
        """The names in a folder, or None when the server does not list it."""
        parse = parse_facts if self._machine else parse_list
        try:
            lines = self._machine_lines(folder) if self._machine else self._human_lines(folder)
        except ftplib.error_perm:
            return None
        entries = []
        for line in lines:
            try:
                entry = parse(line)
            except ValueError:
                raise BadData(
                    self._source,
                    "its listing is in a form that Ripstop does not read",
                    hint="report its form",
                ) from None
            if entry is not None:
                entries.append(entry)
        return entries

    def _machine_lines(self, folder: str) -> list[str]:
        return self._channel.lines(f"MLSD {folder}".rstrip())

    def _human_lines(self, folder: str) -> list[str]:
        # Servers read LIST's argument as a glob or as an option, and list nothing for a folder that is
        # not there: so go there, list, and come back.
        home = self._channel.home
        if folder:
            self._channel.ask(f"CWD {folder}")
        try:
            return self._channel.lines("LIST")
        finally:
            if folder:
                self._channel.ask(f"CWD {home}")
