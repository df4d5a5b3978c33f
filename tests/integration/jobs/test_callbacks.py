"""Callbacks: what is sent where, what is tried again, and what is never called."""

from __future__ import annotations

import http.server
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import select

from prismcube.catalogue.job_tables import job_callback
from prismcube.jobs import callbacks as module
from prismcube.jobs.addresses import Addresses, NotAllowed, Target
from prismcube.jobs.callbacks import ATTEMPTS, Callbacks, Refused, post, wait_after
from prismcube.jobs.entities import End, Job
from prismcube.jobs.ledger import Ledger
from prismcube.jobs.results import ResultFiles

LONG = 60
"""Seconds after which a test that waits has failed."""


class Listener:
    """A server that keeps what it is sent, and answers as it is told."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.got: list[tuple[str, dict[str, str], Any]] = []
        self.status = 200
        listener = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_: Any) -> None:
                pass

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                listener.got.append((self.path, dict(self.headers), json.loads(body)))
                self.send_response(listener.status)
                self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def listener() -> Iterator[Listener]:
    one = Listener()
    yield one
    one.close()


@pytest.fixture
def callbacks(ledger: Ledger) -> Iterator[Any]:
    made: list[Callbacks] = []

    def make(addresses: Addresses, **more: Any) -> Callbacks:
        made.append(Callbacks(ledger, ResultFiles("file:///nowhere"), addresses, **more))
        return made[-1]

    yield make
    for one in made:
        one.close()


def rows(ledger: Ledger) -> list[Any]:
    with ledger.read() as connection:
        return [*connection.execute(select(job_callback).order_by(job_callback.c.id))]


def wait(until: Any) -> None:
    deadline = time.monotonic() + LONG
    while not until():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def submitted(driver: Any, url: str) -> Job:
    uris = {"successUri": f"{url}/good?key=1", "inProgressUri": f"{url}/progress", "failedUri": f"{url}/bad"}
    return driver.submit(request={"base": "http://server.example", "subscriber": uris})


def test_each_state_is_told_to_its_address(ledger: Ledger, driver: Any, listener: Listener, callbacks: Any) -> None:
    sender = callbacks(Addresses(["127.0.0.1"]))
    one = submitted(driver, listener.url)
    [order] = driver.claim("one")
    assert sender.send_due() == 1
    wait(lambda: not rows(ledger))
    driver.end(order, result={"outputs": {"answer": 42, "thing": {"a": 1}}})
    sender.send_due()
    wait(lambda: not rows(ledger))
    (path, headers, status), (good, _, results) = listener.got
    assert path == "/progress"
    assert (status["status"], status["jobID"]) == ("running", one.id)
    assert status["links"][0]["href"] == f"http://server.example/jobs/{one.id}"
    assert headers["Host"] == f"127.0.0.1:{listener.port}"
    assert headers["Content-Type"] == "application/json"
    assert (good, results) == (
        "/good?key=1",
        {"answer": 42, "thing": {"value": {"a": 1}, "mediaType": "application/json"}},
    )


def test_a_failure_is_told_with_its_reason(ledger: Ledger, driver: Any, listener: Listener, callbacks: Any) -> None:
    sender = callbacks(Addresses(["127.0.0.1"]))
    submitted(driver, listener.url)
    [order] = driver.claim("one")
    driver.end(order, End.FAILED, message="the disk is gone")
    while rows(ledger):
        sender.send_due()
        time.sleep(0.01)
    [(_, _, told)] = [one for one in listener.got if one[0] == "/bad"]
    assert (told["status"], told["exception"]["detail"]) == ("failed", "the disk is gone")


def test_what_is_not_taken_is_sent_again_later_and_given_up_at_last(
    ledger: Ledger, driver: Any, listener: Listener, callbacks: Any
) -> None:
    listener.status = 500
    sender = callbacks(Addresses(["127.0.0.1"]))
    one = submitted(driver, listener.url)
    driver.claim("one")
    now = datetime.now(UTC)
    for attempt in range(1, ATTEMPTS + 1):
        wait(lambda: sender.send_due(now=now) == 1)  # noqa: B023  # called at once; its site may not be free yet
        wait(lambda: sum("callback" in line.message for line in ledger.log(one.id)) == attempt)  # noqa: B023
        if attempt < ATTEMPTS:
            [row] = rows(ledger)
            assert (row.attempt, row.due) == (attempt, now + timedelta(seconds=wait_after(attempt)))
            assert sender.send_due(now=row.due - timedelta(seconds=1)) == 0
            now = row.due
    wait(lambda: not rows(ledger))
    lines = [line for line in ledger.log(one.id) if "callback" in line.message]
    assert "status 500; it is tried again later" in lines[0].message
    assert "it is given up" in lines[-1].message
    assert len(listener.got) == ATTEMPTS
    assert sum(wait_after(attempt) for attempt in range(1, ATTEMPTS)) < 24 * 3600


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirects_are_not_followed(
    ledger: Ledger, driver: Any, listener: Listener, callbacks: Any, status: int
) -> None:
    listener.status = status
    sender = callbacks(Addresses(["127.0.0.1"]))
    one = submitted(driver, listener.url)
    driver.claim("one")
    sender.send_due()
    wait(lambda: any("callback" in line.message for line in ledger.log(one.id)))
    assert [path for path, _, _ in listener.got] == ["/progress"]


def test_gone_is_gone(ledger: Ledger, driver: Any, listener: Listener, callbacks: Any) -> None:
    listener.status = 410
    sender = callbacks(Addresses(["127.0.0.1"]))
    submitted(driver, listener.url)
    driver.claim("one")
    sender.send_due()
    wait(lambda: not rows(ledger))


def test_what_is_private_by_now_is_not_called(ledger: Ledger, driver: Any, listener: Listener, callbacks: Any) -> None:
    """A name that was public when the job was submitted."""
    sender = callbacks(Addresses(resolve=lambda host, port: ["127.0.0.1"]))
    one = submitted(driver, f"http://rebound.example:{listener.port}")
    driver.claim("one")
    sender.send_due()
    wait(lambda: any("is not public" in line.message for line in ledger.log(one.id)))
    assert listener.got == []


def test_what_is_called_is_the_address_that_was_looked_at(
    ledger: Ledger, driver: Any, listener: Listener, callbacks: Any
) -> None:
    """The name is asked for once, and stands in Host."""
    asked = []

    def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"]

    sender = callbacks(Addresses(["*.local"], resolve=resolve))
    submitted(driver, f"http://hooks.local:{listener.port}")
    driver.claim("one")
    sender.send_due()
    wait(lambda: not rows(ledger))
    assert asked == ["hooks.local"]
    [(_, headers, _)] = listener.got
    assert headers["Host"] == f"hooks.local:{listener.port}"


def test_two_senders_send_once(ledger: Ledger, driver: Any, listener: Listener, callbacks: Any) -> None:
    senders = [callbacks(Addresses(["127.0.0.1"])) for _ in range(2)]
    submitted(driver, listener.url)
    driver.claim("one")
    due = [sender._next(f"127.0.0.1:{listener.port}", datetime.now(UTC)) for sender in senders]
    taken = [sender._put_off(found, datetime.now(UTC)) for sender, found in zip(senders, due, strict=True)]
    assert taken == [True, False]


def test_a_defect_of_ours_is_given_up_as_well(ledger: Ledger, driver: Any, callbacks: Any) -> None:
    def broken(target: Target, body: bytes) -> None:
        raise ZeroDivisionError

    sender = callbacks(Addresses(["127.0.0.1"]), send=broken)
    one = submitted(driver, "http://127.0.0.1:1")
    driver.claim("one")
    now = datetime.now(UTC)
    while found := rows(ledger):
        now = max(now, found[0].due)
        sender.send_due(now=now)
        wait(lambda: sum("ZeroDivisionError" in line.message for line in ledger.log(one.id)) > found[0].attempt)
        wait(lambda: found[0].attempt + 1 < ATTEMPTS or not rows(ledger))
    assert sum("ZeroDivisionError" in line.message for line in ledger.log(one.id)) == ATTEMPTS


MOST = 500
"""Bytes that are dripped: for ten seconds, which nobody must stay to see."""


@contextmanager
def dripping(begin: bytes, port_of: Callable[[int], Target]) -> Iterator[tuple[Target, list[int], threading.Thread]]:
    """A host that sends `begin` and then a byte now and then, while anybody listens; what it has sent."""
    sent: list[int] = []

    def serve() -> None:
        connection, _ = listening.accept()
        with connection:
            try:
                connection.recv(100_000)
                connection.sendall(begin)
                while len(sent) < MOST:
                    connection.sendall(b"a")
                    sent.append(1)
                    time.sleep(0.02)
            except OSError:
                return  # the other side has gone

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve)
        thread.start()
        yield port_of(listening.getsockname()[1]), sent, thread
        thread.join()


@pytest.mark.parametrize(
    ("scheme", "begin"),
    [("https", b"\x16\x03\x03\x40\x00"), ("http", b"HTTP/1.1 200 OK\r\nX: "), ("http", b"HTTP/1.1 100 C\r\n\r\n")],
    ids=["handshake", "header", "interim"],
)
def test_a_host_that_drips_is_left(monkeypatch: pytest.MonkeyPatch, scheme: str, begin: bytes) -> None:
    monkeypatch.setattr(module, "TIMEOUT", 0.5)
    target = lambda port: Target(scheme, "slow.example", port, "127.0.0.1", "/")  # noqa: E731
    with dripping(begin, target) as (to, sent, thread):
        with pytest.raises(Refused, match="no answer"):
            post(to, b"{}")
        thread.join()
    assert 0 < len(sent) < MOST


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of right.example, with its key; it has signed itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("right.example")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "right.pem"
    form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    private = key.private_bytes(serialization.Encoding.PEM, *form)
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


def test_certificates_belong_to_the_name_in_the_url(monkeypatch: pytest.MonkeyPatch, certificate: Path) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    one = Listener(context)
    try:
        post(Target("https", "right.example", one.port, "127.0.0.1", "/ü?a=ü"), b"1")
        with pytest.raises(Refused, match="ConnectError"):
            post(Target("https", "wrong.example", one.port, "127.0.0.1", "/wrong"), b"2")
    finally:
        one.close()
    [(path, headers, body)] = one.got
    assert (path, headers["Host"], body) == ("/%C3%BC?a=%C3%BC", f"right.example:{one.port}", 1)


def test_addresses_of_ipv6_stand_in_brackets() -> None:
    to = Addresses(["::1"]).target("http://[::1]:8000/a?b")
    assert (to.url, to.authority) == ("http://[::1]:8000/a?b", "[::1]:8000")
    assert Addresses(["[::1]:80"]).target("http://[::1]").url == "http://[::1]:80/"


PRIVATE = [
    "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0", "100.64.0.1",
    "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fc00::1", "ff02::1", "::ffff:127.0.0.1",
    "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "::7f00:1",
]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_are_refused(address: str) -> None:
    rule = Addresses(resolve=lambda host, port: [address])
    assert "is not public" in rule.why_not("https://hooks.example/x")
    both = Addresses(resolve=lambda host, port: ["93.184.216.34", address])
    assert "is not public" in both.why_not("https://hooks.example/x")


@pytest.mark.parametrize(
    ("allowed", "url", "may"),
    [
        ([], "http://hooks.example/", False),
        (["10.0.0.0/8"], "http://hooks.example/", True),
        (["10.2.0.0/16"], "http://hooks.example/", False),
        (["hooks.example"], "http://hooks.example:81/", True),
        (["hooks.example:80"], "http://hooks.example/", True),
        (["hooks.example:80"], "http://hooks.example:81/", False),
        (["*.example"], "http://hooks.example/", True),
        (["10.1.0.1/16"], "http://hooks.example/", True),
    ],
)
def test_listed_ones_are_allowed(allowed: list[str], url: str, may: bool) -> None:
    rule = Addresses(allowed, resolve=lambda host, port: ["10.1.2.3"])
    assert (rule.why_not(url) == "") is may


@pytest.mark.parametrize(
    "url",
    [
        "ftp://a.example/", "http://", "http://u:p@a.example/", "http://a.example:99999/", "file:///etc/passwd", "x",
        "http://a.example/a b", "http://a.example/\u2028", f"http://{'ü' * 64}.example/", "http://a.example:0/",
    ],
)  # fmt: skip
def test_what_is_no_address_of_the_web_is_refused(url: str) -> None:
    assert Addresses(["*"], resolve=lambda host, port: ["93.184.216.34"]).why_not(url)


def test_a_host_that_is_not_there_is_refused() -> None:
    def resolve(host: str, port: int) -> list[str]:
        raise OSError

    with pytest.raises(NotAllowed, match="is not found"):
        Addresses(resolve=resolve).target("http://nowhere.example/")
