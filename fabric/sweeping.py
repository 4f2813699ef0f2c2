"""Files of the lake that count for nothing are removed."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping

from fabric.lake import Lake

GRACE_SECONDS = 3600.0
"""How long a file that counts no more stays for those who are reading it, and one that nothing names."""


def sweep(
    lake: Lake,
    folder: str,
    known: Callable[[], Mapping[str, tuple[str, float]]],
    left: Collection[str],
    over: Collection[str],
) -> None:
    """Remove what counts for nothing in a folder.

    Args:
        lake: has the files.
        folder: where they lie.
        known: every file that the state names, with its state and since when it is over (seconds since 1970).
        left: states of files that nobody has ever been able to read.
        over: states of files that somebody may still be reading.
    """
    # Listed before the state is read: a file is named there before it is made.
    found = lake.listed(folder)
    names = known() if found else {}
    now = time.time()
    for file in found:
        state, since = names.get(file.path, ("", file.modified))
        is_over = (state in over or not state) and now - since > GRACE_SECONDS
        if state in left or is_over:
            lake.remove(file.path)
