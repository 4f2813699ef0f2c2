import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from fabric.config import load_project
from fabric.errors import InvalidConfig
from fabric.key import load_key
from fabric.secrets import redact


def key(directory: Path, said: str = "", environment: dict[str, str] | None = None) -> bytes:
    (directory / "fabric.yaml").write_text(f"name: acme\n{said}\n")
    (directory / "users.yaml").write_text("users: {}\n")
    return load_key(load_project(directory, environment or {}))


def test_a_key_is_made_once_for_its_owner_alone_and_stays_out_of_git(tmp_path: Path) -> None:
    made = key(tmp_path)
    assert len(made) == 64
    assert key(tmp_path) == made
    path = tmp_path / ".ripstop" / "key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert (tmp_path / ".ripstop" / ".gitignore").read_text() == "*\n"
    assert sorted(each.name for each in path.parent.iterdir()) == [".gitignore", "key"]
    assert made.decode() not in redact(f"key {made.decode()}")


def test_the_key_of_the_configuration_wins(tmp_path: Path) -> None:
    assert key(tmp_path, "key: ${env:K}", {"K": "a key that is long enough"}) == b"a key that is long enough"
    assert not (tmp_path / ".ripstop").exists()


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    key(tmp_path)
    (tmp_path / ".ripstop" / "key").chmod(0o644)
    with pytest.raises(InvalidConfig) as caught:
        key(tmp_path)
    assert caught.value.hint == "chmod 600 .ripstop/key"


def test_an_empty_key_file_is_no_key(tmp_path: Path) -> None:
    key(tmp_path)
    (tmp_path / ".ripstop" / "key").write_text("")
    with pytest.raises(InvalidConfig, match="too short"):
        key(tmp_path)


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / ".ripstop").write_text("a file where a folder belongs")
    with pytest.raises(InvalidConfig, match="cannot be read or written"):
        key(tmp_path)


def test_servers_that_start_at_once_get_the_same_key(tmp_path: Path) -> None:
    (tmp_path / "fabric.yaml").write_text("name: acme\n")
    (tmp_path / "users.yaml").write_text("users: {}\n")
    code = (
        "import sys; from pathlib import Path; from fabric.config import load_project; "
        "from fabric.key import load_key; print(load_key(load_project(Path(sys.argv[1]))).decode())"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, env=os.environ)
        for _ in range(3)
    ]
    assert len({each.communicate()[0] for each in running}) == 1
