"""What the demo shows while it works: moving lines at a terminal, one line for each finished step elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn


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
    def step(self, title: str, unit: str = "") -> Iterator[Step]:
        """One step; what it gives is told of each part that is done, counted in ``unit``."""
        step = Step(self._progress, self._progress.add_task(title, total=None, done=""), unit)
        started = time.monotonic()
        yield step
        self._progress.update(step.task, total=step.done or 1, completed=step.done or 1)
        if not self._console.is_terminal:
            amount = f", {step.done:,} {unit}" if unit else ""
            self._console.print(f"✓ {title}{amount} ({time.monotonic() - started:.1f} s)")


class Step:
    """A step under way; ``total`` is set as soon as it is known."""

    def __init__(self, progress: Progress, task: TaskID, unit: str) -> None:
        self.task = task
        self.total: int | None = None
        self.done = 0
        self._progress = progress
        self._unit = unit

    def advance(self, count: int) -> None:
        """Count parts that are done."""
        self.done += count
        shown = f"{self.done:,} {self._unit}"
        self._progress.update(self.task, total=self.total, completed=self.done, done=shown)
