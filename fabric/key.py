"""The fabric's key: signs tokens and tickets, and salts the ``hash`` mask; replicas share it."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

from fabric.config import ProjectConfig
from fabric.errors import InvalidConfig
from fabric.secrets import SECRETS

STATE_FOLDER = ".ripstop"
"""Where a project keeps what is no file of its own."""


def load_key(config: ProjectConfig) -> bytes:
    """The key of fabric.yaml, or that of ``.ripstop/key``, which is made (mode 0600) when it is not there.

    Returns:
        At least 16 bytes of UTF-8 text.

    Raises:
        InvalidConfig: the key file cannot be read or written, or others may read it.
    """
    if config.key is not None:
        return config.key.get_secret_value().encode()
    path = config.directory / STATE_FOLDER / "key"
    try:
        if not path.exists():
            _make(path)
        text = _read(path)
    except OSError:
        raise InvalidConfig(
            ".ripstop/key: the file cannot be read or written",
            hint="give the server's user the right to, or set key: in fabric.yaml",
        ) from None
    SECRETS.remember(text)
    return text.encode()


def _read(path: Path) -> str:
    with path.open(encoding="ascii", errors="replace") as file:
        if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
            raise InvalidConfig(".ripstop/key: others may read this file", hint="chmod 600 .ripstop/key")
        text = file.read().strip()
    if len(text) < 16:
        raise InvalidConfig(
            ".ripstop/key: too short to be a key", hint="remove the file; the next start makes a new one"
        )
    return text


def _make(path: Path) -> None:
    path.parent.mkdir(mode=0o700, exist_ok=True)
    ignore = path.parent / ".gitignore"
    if not ignore.exists():
        ignore.write_text("*\n")  # the project directory is a Git work tree; its key must not travel
    draft = path.with_name(f"key.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_hex(32) + "\n")
    try:
        os.link(draft, path)  # of two that start at once, one wins and both read its key
    except FileExistsError:
        return
    finally:
        draft.unlink()
