"""A folder of its own for what each engine spills: DuckDB names its files alike in every process."""

from __future__ import annotations

import fcntl
import itertools
import os
import shutil
from pathlib import Path

_NUMBERS = itertools.count()
_HELD: list[int] = []


def spill_folder(folder: Path) -> Path:
    """A new folder beneath, which nobody else takes while this process lives; those of the dead are removed."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for other in folder.iterdir():
        if other.is_dir() and _is_left(other):
            shutil.rmtree(other, ignore_errors=True)
    mine = folder / f"{os.getpid()}-{next(_NUMBERS)}"
    while True:
        mine.mkdir(mode=0o700, exist_ok=True)
        try:
            held = os.open(mine / "lock", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if (mine / "lock").exists():
                break
        except OSError:  # taken for one that is left, or one is really there: the next is free
            mine = folder / f"{os.getpid()}-{next(_NUMBERS)}"
    _HELD.append(held)
    return mine


def _is_left(folder: Path) -> bool:
    try:
        held = os.open(folder / "lock", os.O_WRONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(held)
    return True
