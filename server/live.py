"""The app that serves now: a changed configuration is built beside it, and takes its place whole or not at all."""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path

from fabric.config import ProjectConfig
from fabric.errors import FabricError
from server.app import App, build, with_config

log = logging.getLogger("ripstop.live")

POLL_SECONDS = 0.25
_LINGER_SECONDS = 600.0
_PLANNING_SECONDS = 10.0

Stamps = dict[Path, tuple[int, int]]


class LiveApp:
    """The app of whatever configuration loaded last; any thread may ask for it.

    A file of the configuration that changes is loaded within a poll. New users and limits count at once; new
    sources when each was tried. One that does not load is logged, and the last good one keeps serving.

    Args:
        directory: the project directory.
        first: the app that serves at first.
    """

    def __init__(self, directory: Path, first: App) -> None:
        self._directory = directory
        self._app = first
        self._retired: list[tuple[App, float]] = []
        self._stamps = _stamps(first.config)
        self._closed = threading.Event()
        self._watch = threading.Thread(target=self._watch_files, name="ripstop-config", daemon=True)
        self._watch.start()

    def current(self) -> App:
        """The app that serves now."""
        return self._app

    def close(self) -> None:
        """Stop watching and close every app."""
        self._closed.set()
        self._watch.join()
        for app, _ in self._retired:
            app.close()
        self._app.close()

    def _watch_files(self) -> None:
        while not self._closed.wait(POLL_SECONDS):
            stamps = _stamps(self._app.config)
            if stamps != self._stamps:
                self._stamps = stamps
                self._load()
            self._retire()

    def _load(self) -> None:
        old = self._app
        try:
            new = with_config(old, self._directory) or build(self._directory, underway=old.underway)
        except FabricError as error:
            log.error("the changed configuration does not load, the last good one serves:\n%s", error)
            return
        except Exception:
            log.exception("the changed configuration does not load, the last good one serves")
            return
        for key in ("name", "server", "key"):
            if getattr(new.config, key) != getattr(old.config, key):
                log.warning("%s in fabric.yaml has changed: that counts after a restart", key)
        new.authenticator.failed = old.authenticator.failed
        self._app = new
        self._stamps = _stamps(new.config)
        if new.line is not old.line:
            self._retired.append((old, time.monotonic()))
        log.info("the changed configuration serves")

    def _retire(self) -> None:
        """Close the apps whose last query has ended."""
        for retired in list(self._retired):
            app, since = retired
            age = time.monotonic() - since
            # A statement that was being planned at the change has not begun to run yet.
            if (app.line.idle and age > _PLANNING_SECONDS) or age > _LINGER_SECONDS:
                self._retired.remove(retired)
                app.close()


def _stamps(config: ProjectConfig) -> Stamps:
    stamps: Stamps = {}
    for file in config.files:
        try:
            stat = file.stat()
        except OSError:
            stamps[file] = (0, -1)
        else:
            stamps[file] = (stat.st_mtime_ns, stat.st_size)
    return stamps
