"""A real S3 server in a process of its own, which asks for keys as a plant's does."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import boto3
from botocore.config import Config
from brokers import free_port
from resender import wait_until

_UNASKED = 4
"""Requests that moto answers before it asks for keys: those that ``_prepare`` makes."""


class S3Server:
    """A server with one bucket, and a key that may use it.

    Parameters
    ----------
    folder : Path
        For its log and the secret.
    """

    bucket = "plant-pictures"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self._log = (folder / "s3.log").open("ab")
        environment = os.environ | {"INITIAL_NO_AUTH_ACTION_COUNT": str(_UNASKED)}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)],
            stdout=self._log,
            stderr=self._log,
            env=environment,
        )
        wait_until(self._listens, 60)
        self._prepare()

    def stop(self) -> None:
        """End it with everything that it keeps."""
        self._process.kill()
        self._process.wait(15)
        self._log.close()

    def _listens(self) -> bool:
        assert self._process.poll() is None, (self.folder / "s3.log").read_text()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def _prepare(self) -> None:
        iam = self._client("iam")
        iam.create_user(UserName="collector")
        allowed = '{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}'
        iam.put_user_policy(
            UserName="collector",
            PolicyName="pictures",
            PolicyDocument=f'{{"Version": "2012-10-17", "Statement": [{allowed}]}}',
        )
        key = iam.create_access_key(UserName="collector")["AccessKey"]
        self.access_key, secret = key["AccessKeyId"], key["SecretAccessKey"]
        self.secret_file = self.folder / "secret"
        self.secret_file.write_text(secret + "\n")
        self._client("s3").create_bucket(Bucket=self.bucket)

    def _client(self, service: str):  # type: ignore[no-untyped-def]
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id="first",
            aws_secret_access_key="first",
            config=Config(proxies={}, retries={"max_attempts": 1}),
        )
