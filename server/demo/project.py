"""The demo's project directory: written once, then the user's; only addresses and secrets are renewed."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from fabric.errors import InvalidConfig
from server.scaffold import PROJECT_FILE, write_project, write_secrets

TEMPLATES = Path(__file__).with_name("acme")
PASSWORDS = {"ana": "ana-demo", "aud": "aud-demo", "pat": "pat-demo", "fay": "fay-demo"}

_SECRETS = ".secrets"
_ADDRESS = re.compile(r"(?<=127\.0\.0\.1:)\d+")
_SERVER_PORT = re.compile(r"(?<=port: )\d+")


@dataclass(frozen=True, slots=True)
class Ports:
    """Where this run's servers listen on 127.0.0.1; ``server_port`` is for Ripstop itself."""

    server_port: int
    s3_port: int
    sftp_port: int
    ftp_port: int
    http_port: int


@dataclass(frozen=True, slots=True)
class Secrets:
    """What logs in to this run's servers."""

    postgres_uri: str
    s3_secret_key: str
    sftp_password: str
    ftp_password: str
    fraud_token: str
    known_hosts: str


def write_demo(directory: Path, ports: Ports, secrets: Secrets) -> None:
    """Write the project, or bring one of an earlier run up to this run's servers.

    Raises:
        InvalidConfig: the directory holds a project that is not the demo's.
    """
    refuse_foreign(directory)
    if (directory / PROJECT_FILE).exists():
        _renew(directory, ports)
    else:
        write_project(TEMPLATES, directory, {k: str(v) for k, v in asdict(ports).items()} | _hashes())
    write_secrets(directory / _SECRETS, asdict(secrets))
    _ports_file(directory).write_text(json.dumps(asdict(ports)), "utf-8")


def refuse_foreign(directory: Path) -> None:
    """Leave a directory alone that holds anything but a demo.

    Raises:
        InvalidConfig: the directory is not empty and no demo's.
    """
    if directory.is_dir() and any(directory.iterdir()) and not _ports_file(directory).exists():
        raise InvalidConfig(
            f"'{directory}' is not empty and holds no demo of ours",
            hint="choose another directory: ripstop demo --dir NAME",
        )


def _ports_file(directory: Path) -> Path:
    return directory / _SECRETS / "ports.json"


def _renew(directory: Path, ports: Ports) -> None:
    """Put the new ports where the old ones stand; everything else in the file is the user's."""
    old: Mapping[str, int] = json.loads(_ports_file(directory).read_text("utf-8"))
    new = {str(old[name]): str(port) for name, port in asdict(ports).items() if name in old}
    file = directory / PROJECT_FILE
    text = _ADDRESS.sub(lambda m: new.get(m[0], m[0]), file.read_text("utf-8"))
    file.write_text(_SERVER_PORT.sub(lambda m: new.get(m[0], m[0]), text), "utf-8")


def _hashes() -> dict[str, str]:
    from argon2 import PasswordHasher

    hasher = PasswordHasher()
    return {f"{user}_hash": hasher.hash(password) for user, password in PASSWORDS.items()}
