"""Stores on the loopback: an HTTP server that counts, and S3."""

from __future__ import annotations

import os
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from prismcube.storage import buckets
from tests.web import Web


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Web]:
    """A server of `tmp_path / "web"`."""
    root = tmp_path / "web"
    root.mkdir()
    web = Web(root)
    yield web
    web.close()
    buckets.forget()


@pytest.fixture
def clouds(web: Web, monkeypatch: pytest.MonkeyPatch) -> Web:
    """Google's and Azure's storage, both with the bucket `images`: for readers, files by paths of bucket and key."""
    for name in [name for name in os.environ if name.startswith(("GOOGLE_", "AZURE_"))]:
        monkeypatch.delenv(name)
    for name, value in {
        "GOOGLE_BASE_URL": web.url,
        "GOOGLE_SKIP_SIGNATURE": "true",
        "GOOGLE_ALLOW_HTTP": "true",
        "AZURE_STORAGE_ENDPOINT": web.url,
        "AZURE_STORAGE_ACCOUNT_NAME": "account",
        "AZURE_SKIP_SIGNATURE": "true",
        "AZURE_ALLOW_HTTP": "true",
    }.items():
        monkeypatch.setenv(name, value)
    buckets.forget()
    (web.root / "images").mkdir()
    return web


@pytest.fixture(scope="module")
def s3_endpoint() -> Iterator[str]:
    """An S3 server, shared by the tests of a module."""
    import logging

    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A client of boto3 to make buckets with; the environment leads our own stores to the same server."""
    import boto3

    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in {
        "ACCESS_KEY_ID": "id",
        "SECRET_ACCESS_KEY": "SECRET",
        "REGION": "us-east-1",
        "ENDPOINT_URL": s3_endpoint,
        "ALLOW_HTTP": "true",
    }.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    buckets.forget()
    client = boto3.client("s3", endpoint_url=s3_endpoint, region_name="us-east-1")
    with urllib.request.urlopen(urllib.request.Request(f"{s3_endpoint}/moto-api/reset", method="POST")):
        pass  # buckets of the test before
    client.create_bucket(Bucket="images")
    yield client
    client.close()
    buckets.forget()
