"""What requests pass on their way to a handler, each part by itself."""

import asyncio
import errno
import io
import json
import tempfile

import pytest

from prismcube.errors import ConfigurationError
from prismcube.model.access import FULL, Access, Scope
from server import logs
from server.edge.bodies import Bodies
from server.edge.clients import Places, Rate, client_of
from server.edge.cors import Cors
from server.edge.facts import facts_of
from server.edge.guard import Guard, Sizes
from server.edge.headers import STOCK, SecurityHeaders
from server.edge.requests import Requests
from server.metrics import Metrics
from server.threads import Threads

SIZES = Sizes(url_bytes=200, header_bytes=300, parameters=5)


class Answered:
    """What a client gets of an application for one request."""

    def __init__(self, app, path="/x", *, method="GET", headers=(), body=(b"",), client="203.0.113.7", access=FULL,
                 scheme="http", base=""):  # fmt: skip
        path, _, query = path.partition("?")
        self.scope = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode("latin-1"),
            "scheme": scheme,
            "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in headers],
            "client": (client, 1),
            "prismcube.access": access,
        }
        if base:
            facts_of(self.scope).base = base
        self.messages = []
        pieces = list(body)

        async def receive():
            if not pieces:
                await asyncio.sleep(3600)
            piece = pieces.pop(0)
            if isinstance(piece, float):
                await asyncio.sleep(piece)
                piece = b"late"
            return {"type": "http.request", "body": piece, "more_body": bool(pieces)}

        async def send(message):
            self.messages.append(message)

        asyncio.run(app(self.scope, receive, send))
        start = self.messages[0]
        self.status = start["status"]
        self.headers = {name.decode().lower(): value.decode() for name, value in start["headers"]}
        self.names = [name.lower() for name, _ in start["headers"]]
        self.body = b"".join(one.get("body", b"") for one in self.messages[1:])

    @property
    def problem(self):
        assert self.headers["content-type"] == "application/problem+json"
        return json.loads(self.body)


def answering(status=200, headers=(), pieces=(b"ok",)):
    async def app(scope, receive, send):
        own = [(name.encode(), value.encode()) for name, value in headers]
        await send({"type": "http.response.start", "status": status, "headers": own})
        for index, piece in enumerate(pieces):
            await send({"type": "http.response.body", "body": piece, "more_body": index + 1 < len(pieces)})

    return app


async def echo(scope, receive, send):
    body = b""
    while True:
        message = await receive()
        body += message["body"]
        if not message["more_body"]:
            break
    length = dict(scope["headers"]).get(b"content-length", b"none")
    await send({"type": "http.response.start", "status": 200, "headers": [(b"told", length)]})
    await send({"type": "http.response.body", "body": body})


# --- guard ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/x?a=1&b=2", [], 200),
        (f"/{'x' * 200}", [], 414),
        (f"/x?{'y' * 200}", [], 414),
        ("/x?a&b&c&d&e", [], 200),
        ("/x?a&b&c&d&e&f", [], 413),
        ("/x", [("Many", "y" * 300)], 431),
        ("/x", [("Host", "a"), ("Host", "b")], 400),
        ("/x", [("Host", 'a"b')], 400),
        ("/x", [("Host", "[::1]:80")], 200),
        ("/x?\xff", [], 400),
        ("/x\x00", [], 400),
    ],
)
def test_guard(path, headers, status):
    found = Answered(Guard(answering(), sizes=SIZES), path, headers=headers)
    assert found.status == status
    if status != 200:
        assert found.problem["status"] == status
        assert found.headers["cache-control"] == "no-store"


# --- bodies -----------------------------------------------------------------------------------------------------------


def bodies(tmp_path, app=echo, most=100, seconds=5.0):
    return Bodies(app, most=most, seconds=seconds, folder=tmp_path)


@pytest.mark.parametrize("headers", [[("Content-Length", "9")], [("Transfer-Encoding", "chunked")]])
def test_a_body_arrives_whole_with_its_length(tmp_path, headers):
    found = Answered(bodies(tmp_path), method="POST", headers=headers, body=(b"abc", b"def", b"ghi"))
    assert (found.body, found.headers["told"]) == (b"abcdefghi", "9")


def test_a_large_body_goes_by_a_file(tmp_path):
    sent = [bytes([i]) * 100_000 for i in range(30)]
    found = Answered(
        bodies(tmp_path, most=3_000_000), method="POST", headers=[("Transfer-Encoding", "chunked")], body=sent
    )
    assert found.body == b"".join(sent)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ([("Content-Length", "101")], ()),  # refused before anything has come
        ([("Transfer-Encoding", "chunked")], [b"x" * 60, b"y" * 60, b"never read"]),
    ],
)
def test_a_body_has_a_largest_size(tmp_path, headers, body):
    found = Answered(bodies(tmp_path), method="POST", headers=headers, body=body)
    assert (found.status, found.headers["connection"]) == (413, "close")
    assert "100 bytes" in found.problem["detail"]


def test_a_slow_body_is_given_up(tmp_path):
    found = Answered(
        bodies(tmp_path, seconds=0.05), method="POST", headers=[("Content-Length", "9")], body=(b"abc", 60.0, b"x")
    )
    assert (found.status, found.problem["status"]) == (408, 408)


@pytest.mark.parametrize("buffering", [0, 8192], ids=["at once", "when it is flushed"])
def test_a_body_for_which_the_disk_has_no_room(tmp_path, monkeypatch, caplog, buffering):
    def full(**_):
        return open("/dev/full", "w+b", buffering)  # each write to it fails as on a full disk

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    sent = [b"x" * 1_000_000, b"y" * 48_577]  # one byte more than what stays in memory
    app = bodies(tmp_path, most=3_000_000)
    found = Answered(app, method="POST", headers=[("Transfer-Encoding", "chunked")], body=sent)
    assert (found.status, found.headers["connection"]) == (507, "close")
    assert found.problem["status"] == 507
    assert "No space left" in caplog.text


def test_a_body_whose_folder_can_not_be_made(tmp_path, caplog):
    (tmp_path / "file").touch()
    app = Bodies(echo, most=100, seconds=5, folder=tmp_path / "file" / "tmp")
    found = Answered(app, method="POST", headers=[("Content-Length", "3")], body=[b"abc"])
    assert (found.status, found.headers["connection"]) == (507, "close")
    assert "Not a directory" in caplog.text


class FullAtLast(io.BytesIO):
    """A file whose last bytes find no room: when it is read from the start, and when it is closed."""

    def seek(self, offset, whence=0, /):
        return super().seek(offset, whence) if offset else self._fail()

    def close(self):
        super().close()
        self._fail()

    def _fail(self):
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_body_whose_last_bytes_find_no_room(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_: FullAtLast())
    sent = [b"x" * 1_000_000, b"y" * 48_577]
    app = bodies(tmp_path, most=3_000_000)
    found = Answered(app, method="POST", headers=[("Transfer-Encoding", "chunked")], body=sent)
    assert (found.status, found.headers["connection"]) == (507, "close")
    assert caplog.text.count("No space left") == 1


# --- clients ----------------------------------------------------------------------------------------------------------

KEY = Access(subjects=frozenset({"everyone", "authenticated", "key:mapper"}), scopes=frozenset({Scope.READ}))


@pytest.mark.parametrize(
    ("address", "access", "client"),
    [
        ("203.0.113.7", FULL, "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", FULL, "2001:db8:1:2::/64"),
        ("203.0.113.7", KEY, "key:mapper"),
        ("testclient", FULL, "testclient"),
    ],
)
def test_who_is_counted(address, access, client):
    assert client_of(Answered(answering(), client=address, access=access).scope) == client


def rated(rate="3/hour"):
    return Rate(answering(), rate=rate, storage="memory://", metrics=Metrics())


def test_a_rate_holds_for_each_client():
    app = rated()
    found = [Answered(app, client="203.0.113.7") for _ in range(5)]
    assert [one.status for one in found] == [200, 200, 200, 429, 429]
    assert found[0].headers["ratelimit"].startswith('"client";r=2;t=')
    assert found[0].headers["ratelimit-policy"] == '"client";q=3;w=3600'
    assert 1 <= int(found[3].headers["retry-after"]) <= 3600
    assert "3 requests" in found[3].problem["detail"]
    assert Answered(app, client="203.0.113.8").status == 200
    assert Answered(app, client="203.0.113.7", access=KEY).status == 200


def test_health_is_not_counted():
    app = rated("1/hour")
    assert {Answered(app, path).status for path in ("/healthz", "/readyz", "/metrics") * 2} == {200}


def test_a_storage_that_is_not_there_is_told_without_its_password():
    with pytest.raises(ConfigurationError) as error:
        Rate(answering(), rate="1/hour", storage="redis://:secret@127.0.0.1:1", metrics=Metrics())
    assert "secret" not in str(error.value)
    assert "rate_storage" in str(error.value)


def test_places():
    places = Places(2)
    with (
        places.taken("a") as first,
        places.taken("a") as second,
        places.taken("a") as third,
        places.taken("b") as other,
    ):
        assert (first, second, third, other) == (True, True, False, True)
    with places.taken("a") as again:
        assert again
    assert not places._taken


# --- browsers ---------------------------------------------------------------------------------------------------------


def cors(*origins, app=None):
    return Cors(app or answering(headers=[("etag", '"x"'), ("vary", "Accept")]), origins=origins, apart=("/catalogue",))


ASKING = [("Origin", "https://a.example"), ("Access-Control-Request-Method", "GET")]


def test_any_site_may_read():
    found = Answered(cors("*"), headers=[("Origin", "https://a.example")])
    assert found.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in found.headers
    exposed = {one.strip().lower() for one in found.headers["access-control-expose-headers"].split(",")}
    assert exposed >= {"etag", "content-crs", "content-bbox", "link", "x-request-id", "retry-after"}


@pytest.mark.parametrize("asked", ["authorization", "x-api-key", "Authorization, X-API-Key, Range"])
def test_pages_may_send_keys(asked):
    found = Answered(cors("*"), method="OPTIONS", headers=[*ASKING, ("Access-Control-Request-Headers", asked)])
    assert found.status == 204
    assert found.headers["access-control-allow-origin"] == "*"
    assert "GET" in found.headers["access-control-allow-methods"]


def test_pages_may_not_ask_for_more():
    for more in [("Access-Control-Request-Headers", "x-evil")], [("Access-Control-Request-Method", "DELETE")]:
        found = Answered(
            cors("*"), method="OPTIONS", headers=[ASKING[0], *(more if "Method" in more[0][0] else [ASKING[1], *more])]
        )
        assert found.status == 400
        assert found.problem["status"] == 400


def test_only_sites_that_are_named():
    app = cors("https://a.example")
    found = Answered(app, headers=[("Origin", "https://a.example")])
    assert found.headers["access-control-allow-origin"] == "https://a.example"
    assert "Origin" in found.headers["vary"]
    assert "access-control-allow-origin" not in Answered(app, headers=[("Origin", "https://b.example")]).headers
    assert Answered(app, method="OPTIONS", headers=[("Origin", "https://b.example"), ASKING[1]]).status == 400


def test_the_catalogue_is_not_for_other_sites():
    for path in ("/catalogue", "/catalogue/containers"):
        assert "access-control-allow-origin" not in Answered(cors("*"), path, headers=ASKING[:1]).headers
    assert "access-control-allow-origin" in Answered(cors("*"), "/catalogues", headers=ASKING[:1]).headers


def test_no_origins_no_headers():
    assert "access-control-allow-origin" not in Answered(cors(), headers=ASKING[:1]).headers


def secured(*headers):
    return SecurityHeaders(answering(headers=headers))


def test_policies_by_kind():
    page = Answered(secured(("content-type", "text/html; charset=utf-8"))).headers["content-security-policy"]
    assert "default-src 'self'" in page
    assert "frame-ancestors 'self'" in page
    data = Answered(secured(("content-type", "image/svg+xml"))).headers["content-security-policy"]
    assert data == "default-src 'none'; frame-ancestors 'none'"

    async def stock(scope, receive, send):
        facts_of(scope).route = STOCK
        await answering(headers=[("content-type", "text/html")])(scope, receive, send)

    assert Answered(SecurityHeaders(stock)).headers["content-security-policy"] == "frame-ancestors 'self'"


def test_a_handler_may_have_a_policy_of_its_own():
    found = Answered(secured(("Content-Security-Policy", "sandbox")))
    assert found.headers["content-security-policy"] == "sandbox"
    assert found.names.count(b"content-security-policy") == 1


def test_transport_security_only_over_https():
    assert "strict-transport-security" not in Answered(secured()).headers
    assert "strict-transport-security" in Answered(secured(), scheme="https").headers
    assert "strict-transport-security" in Answered(secured(), base="https://eo.example.org").headers


# --- the outermost ----------------------------------------------------------------------------------------------------


def test_versions_do_not_leave(caplog):
    found = Answered(
        Requests(answering(headers=[("X-Powered-By", "pygeoapi 0.24"), ("Server", "x/1")]), metrics=Metrics())
    )
    assert not {"x-powered-by", "server"} & set(found.headers)
    assert "x-request-id" in found.headers


def test_a_defect_at_the_edge_is_a_plain_500(caplog):
    async def broken(scope, receive, send):
        raise KeyError("oops")

    found = Answered(Requests(broken, metrics=Metrics()))
    assert found.problem["status"] == 500
    assert "oops" not in found.body.decode()
    assert "oops" in caplog.text


def test_pixel_threads_know_the_request():
    found = []

    async def working(scope, receive, send):
        found.append(await Threads(1, queue=1).run(logs.request_id))
        await answering()(scope, receive, send)

    given = Answered(Requests(working, metrics=Metrics())).headers["x-request-id"]
    assert found == [given]


@pytest.mark.parametrize(
    ("status", "headers", "closes"),
    [
        (401, [("Content-Length", "9")], True),
        (413, [("Transfer-Encoding", "chunked")], True),
        (200, [("Content-Length", "9")], False),
        (401, [("Content-Length", "0")], False),
        (401, [], False),
    ],
)
def test_who_is_refused_before_his_body_was_read_has_the_connection_closed(status, headers, closes):
    """He could go on sending, a byte a second, and hold the connection as long."""
    found = Answered(Requests(answering(status=status), metrics=Metrics()), method="POST", headers=headers)
    assert (found.headers.get("connection") == "close") is closes


def test_a_body_that_was_read_leaves_the_connection_open(tmp_path):
    app = Requests(Bodies(answering(status=404), most=99, seconds=9, folder=tmp_path), metrics=Metrics())
    found = Answered(app, method="POST", headers=[("Content-Length", "3")], body=[b"abc"])
    assert found.status == 404
    assert "connection" not in found.headers
