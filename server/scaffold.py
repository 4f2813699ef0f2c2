"""Write a project directory from a folder of templates that comes with Ripstop."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from fabric.errors import InvalidConfig

PROJECT_FILE = "fabric.yaml"

# Neither a wheel nor git carries dot files of a template well, so they are spelled out.
_DOTTED = {"gitignore": ".gitignore"}


def write_project(templates: Path, directory: Path, values: Mapping[str, str]) -> list[Path]:
    """Copy the templates, each ``{{key}}`` replaced; returns the files written, relative and sorted.

    Raises:
        InvalidConfig: the directory already holds one of the files; nothing is written then.
    """
    sources = sorted(path for path in templates.rglob("*") if path.is_file())
    targets = [_target(path.relative_to(templates)) for path in sources]
    _refuse_existing(directory, targets)
    for source, target in zip(sources, targets, strict=True):
        text = source.read_text("utf-8")
        for key, value in values.items():
            text = text.replace("{{" + key + "}}", value)
        path = directory / target
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return targets


def write_secrets(folder: Path, secrets: Mapping[str, str]) -> None:
    """Write each secret to a file of its own that only its owner may read."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, secret in secrets.items():
        path = folder / name
        path.unlink(missing_ok=True)
        path.touch(mode=0o600)
        path.write_text(secret, "utf-8")


def _target(path: Path) -> Path:
    return path.with_name(_DOTTED.get(path.name, path.name))


def _refuse_existing(directory: Path, targets: Iterable[Path]) -> None:
    for target in targets:
        if (directory / target).exists():
            raise InvalidConfig(
                f"'{directory}' already holds {target}",
                hint="choose another directory, or remove the file first",
            )
