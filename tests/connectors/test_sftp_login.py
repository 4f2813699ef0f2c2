# ruff: noqa: F811 (pytest finds the imported fixtures by the names of arguments)
from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import asyncssh
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from pydantic import ValidationError

from connectors.sftp import SftpSettings
from fabric.errors import (
    FabricError,
    IdentityRefused,
    InvalidConfig,
    SourceLoginRefused,
)
from server.demo.sftp import EmbeddedSftp
from tests.connectors.sftp_source import (  # noqa: F401
    SECRET,
    Bench,
    bench,
    folder,
    listed,
    server,
)


@pytest.mark.parametrize("form", [PrivateFormat.OpenSSH, PrivateFormat.PKCS8])
@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
@pytest.mark.parametrize("passphrase", ["", SECRET])
def test_a_private_key_logs_in(
    folder: Path, tmp_path: Path, kind: str, form: PrivateFormat, passphrase: str
) -> None:
    key = {
        "ed25519": ed25519.Ed25519PrivateKey.generate,
        "ecdsa": lambda: ec.generate_private_key(ec.SECP256R1()),
        "rsa": lambda: rsa.generate_private_key(65537, 2048),
    }[kind]()
    sealed = BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
    (tmp_path / "id").write_bytes(key.private_bytes(Encoding.PEM, form, sealed))
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    server = EmbeddedSftp(folder, {}, keys={"robot": public}).start()
    bench = Bench(server, tmp_path)
    try:
        keys = {"private_key_file": "id", **({"passphrase": passphrase} if passphrase else {})}
        connector = bench.connect(user="robot", **keys)
        assert listed(connector, "repair_*.csv") == ["repair_1.csv"]
        connector.close()
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("sealed", "keys", "error", "words"),
    [
        (BestAvailableEncryption(b"other"), {}, InvalidConfig, "is encrypted"),
        (
            BestAvailableEncryption(b"other"),
            {"passphrase": SECRET},
            InvalidConfig,
            "no private key that opens",
        ),
        (NoEncryption(), {}, SourceLoginRefused, "takes no login of this kind"),
    ],
)
def test_a_key_that_does_not_fit_is_told_so(
    bench: Bench,
    sealed: KeySerializationEncryption,
    keys: dict[str, str],
    error: type[FabricError],
    words: str,
) -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    (bench.directory / "id").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, sealed))
    with pytest.raises(error, match=words) as caught:
        listed(bench.connect(private_key_file="id", **keys), "*.csv")
    assert SECRET not in str(caught.value)


@pytest.mark.skipif(shutil.which("ssh-agent") is None, reason="needs OpenSSH's agent")
def test_the_agent_logs_in(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = asyncssh.generate_private_key("ssh-ed25519")
    key.write_private_key(tmp_path / "id")
    os.chmod(tmp_path / "id", 0o600)
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))
    server = EmbeddedSftp(folder, {}, keys={"robot": key.export_public_key().decode()}).start()
    with subprocess.Popen(
        ["ssh-agent", "-D", "-a", str(tmp_path / "agent")], stdout=subprocess.DEVNULL
    ) as agent:
        try:
            while not (tmp_path / "agent").exists():
                time.sleep(0.01)
            bench = Bench(server, tmp_path)
            with pytest.raises(SourceLoginRefused, match="offers no key"):
                listed(bench.connect(user="robot", agent=True), "*.csv")
            subprocess.run(["ssh-add", "-q", str(tmp_path / "id")], check=True, stderr=subprocess.DEVNULL)
            connector = bench.connect(user="robot", agent=True)
            assert listed(connector, "repair_*.csv") == ["repair_1.csv"]
            connector.close()
        finally:
            agent.terminate()
            server.stop()


def test_a_wrong_password_is_a_refused_login_that_does_not_show_it(bench: Bench) -> None:
    with pytest.raises(SourceLoginRefused) as caught:
        listed(bench.connect(password="wrong-" + SECRET), "*.csv")
    assert SECRET not in str(caught.value)
    assert caught.value.hint


def test_a_server_with_another_host_key_or_none_that_is_known_is_refused(bench: Bench) -> None:
    stranger = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().split()
    true_line = bench.server.known_hosts_line()
    for line, words in (
        (f"[127.0.0.1]:{bench.server.port} {stranger[0]} {stranger[1]}\n", "not the one"),
        (f"127.0.0.1 {true_line.split(' ', 1)[1]}", "does not name"),
        ("", "does not name"),
        (f"{true_line}@revoked * {true_line.split(' ', 1)[1]}", "not the one"),
    ):
        (bench.directory / "hosts").write_text(line)
        with pytest.raises(IdentityRefused, match=words):
            listed(bench.connect(known_hosts_file="hosts"), "*.csv")
    assert listed(bench.connect(host_key="accept-any"), "repair_*.csv") == ["repair_1.csv"]


@pytest.mark.parametrize(
    ("uri", "keys", "words"),
    [
        ("sftp://u@h/p", {"password": SECRET}, "known_hosts_file is required"),
        ("sftp://u@h/p", {"known_hosts_file": "k"}, "exactly one of password"),
        ("sftp://u:pw@h/p", {"known_hosts_file": "k", "password": SECRET}, "exactly one of password"),
        (
            "sftp://u@h/p",
            {"known_hosts_file": "k", "password": SECRET, "agent": True},
            "exactly one of password",
        ),
        ("sftp://h/p", {"known_hosts_file": "k", "password": SECRET}, "names no user"),
        ("ftp://u@h/p", {"known_hosts_file": "k", "password": SECRET}, "must look like sftp://"),
        ("sftp://u@h:x/p", {"known_hosts_file": "k", "password": SECRET}, "must look like sftp://"),
        (
            "sftp://u@h/p",
            {"known_hosts_file": "k", "password": SECRET, "passphrase": "x"},
            "private_key_file",
        ),
    ],
)
def test_settings_that_cannot_work_are_refused(uri: str, keys: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words) as caught:
        SftpSettings.model_validate({"type": "sftp", "domain": "d", "uri": uri, **keys})
    assert SECRET not in str(caught.value)


def test_files_that_the_settings_name_must_be_there(bench: Bench) -> None:
    with pytest.raises(InvalidConfig, match="known_hosts_file does not exist"):
        bench.connect(known_hosts_file="nowhere")
    (bench.directory / "junk").write_text("no key")
    with pytest.raises(InvalidConfig, match="no private key that opens"):
        listed(bench.connect(private_key_file="junk"), "*.csv")
