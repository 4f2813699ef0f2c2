"""What the demo shows while it works: moving lines at a terminal, one line for each finished step elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn


class Steps:
    """A list of steps, several of which may run at once, each in a thread of its own."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress = Progress(
            SpinnerColumn(finished_text="[green]✓[/]"),
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            TextColumn("{task.fields[done]}"),
            TimeElapsedColumn(),
            console=console,
            disable=not console.is_terminal,
        )

    def __enter__(self) -> Steps:
        self._progress.start()
        return self

    def __exit__(self, *ending: object) -> None:
        self._progress.stop()

    @contextmanager
    def step(self, title: str, total: int = 1, unit: str = "") -> Iterator[Callable[[int], None]]:
        """One step; what it gives is told of each part that is done, ``total`` of them in all."""
        task = self._progress.add_task(title, total=total, done="")
        started = time.monotonic()
        done = 0

        def advance(count: int) -> None:
            nonlocal done
            done += count
            self._progress.update(task, completed=done, done=f"{done:,} {unit}" if unit else "")

        yield advance
        self._progress.update(task, completed=total)
        if not self._console.is_terminal:
            amount = f", {done:,} {unit}" if unit else ""
            self._console.print(f"✓ {title}{amount} ({time.monotonic() - started:.1f} s)")
