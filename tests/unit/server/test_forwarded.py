"""Forwarded headers are believed from trusted proxies only, and from these as far as they go."""

import asyncio

import pytest

from server.edge.facts import facts_of
from server.edge.forwarded import Forwarded


def seen(headers=(), *, path="/collections", peer="10.0.0.1", trusted=("10.0.0.0/8",), public_url=None, standard=False):
    """(client, base, path) as the application sees them."""
    found = []

    async def app(scope, receive, send):
        found.append((scope["client"][0], facts_of(scope).base, scope["path"]))

    scope = {
        "type": "http",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"host", b"inner:5000"), *((name.encode(), value.encode()) for name, value in headers)],
        "client": (peer, 4000),
        "server": ("127.0.0.1", 5000),
    }
    asyncio.run(Forwarded(app, trusted=trusted, public_url=public_url, standard=standard)(scope, None, None))
    return found[0]


X = [
    ("x-forwarded-for", "203.0.113.7"),
    ("x-forwarded-proto", "https"),
    ("x-forwarded-host", "eo.example.org"),
    ("x-forwarded-prefix", "/api"),
]


def test_a_trusted_proxy_is_believed():
    assert seen(X) == ("203.0.113.7", "https://eo.example.org/api", "/collections")


def test_others_are_not():
    expected = ("198.51.100.1", "http://inner:5000", "/collections")
    assert seen(X, peer="198.51.100.1") == expected
    assert seen([("forwarded", "for=203.0.113.7;proto=https;host=evil.example")], peer="198.51.100.1") == expected


def test_nobody_is_trusted_by_default():
    assert seen(X, trusted=())[:2] == ("10.0.0.1", "http://inner:5000")
    assert seen(X, trusted=(), peer="127.0.0.1")[:2] == ("127.0.0.1", "http://inner:5000")


@pytest.mark.parametrize(
    ("chain", "client"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("1.1.1.1, 203.0.113.7", "203.0.113.7"),  # the client wrote the first itself
        ("1.1.1.1, 203.0.113.7, 10.2.2.2", "203.0.113.7"),  # two proxies of ours
        ("10.3.3.3, 10.2.2.2", "10.3.3.3"),  # a client of our own network
        ("203.0.113.7:5555", "203.0.113.7"),
        ("[2001:db8::7]:5555", "2001:db8::7"),
        ("2001:db8::7", "2001:db8::7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("unknown", "10.0.0.1"),
        ("<script>", "10.0.0.1"),
        ("", "10.0.0.1"),
    ],
)
def test_the_client_is_the_first_from_the_right_that_is_not_ours(chain, client):
    assert seen([("x-forwarded-for", chain)])[0] == client


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("for=203.0.113.7;proto=https;host=eo.example.org", ("203.0.113.7", "https://eo.example.org")),
        ('For="[2001:db8::7]:99";Proto=HTTPS;Host="eo.example.org:8443"', ("2001:db8::7", "https://eo.example.org:8443")),
        ("for=1.1.1.1;host=evil.example, for=203.0.113.7;host=eo.example.org", ("203.0.113.7", "http://eo.example.org")),
        ("for=203.0.113.7;host=eo.example.org, for=10.2.2.2;host=inner2", ("203.0.113.7", "http://eo.example.org")),
        ("for=_hidden", ("10.0.0.1", "http://inner:5000")),
        ("nonsense;;;=,\"", ("10.0.0.1", "http://inner:5000")),
    ],
)  # fmt: skip
def test_the_standard_header(header, expected):
    assert seen([("forwarded", header)], standard=True)[:2] == expected


def test_a_list_of_hosts_that_the_client_began_is_not_believed():
    """Apache adds to X-Forwarded-Host what the client wrote there."""
    headers = [("x-forwarded-for", "203.0.113.7"), ("x-forwarded-host", "evil.example, eo.example.org")]
    assert seen(headers)[1] == "http://eo.example.org"


@pytest.mark.parametrize("proto", ["ftp", "javascript", "https:", "", "http s"])
def test_a_scheme_that_is_none_is_passed_over(proto):
    assert seen([("x-forwarded-for", "203.0.113.7"), ("x-forwarded-proto", proto)])[1] == "http://inner:5000"


@pytest.mark.parametrize("prefix", ["api", "//evil.example", "/a b", "/a?x", "/a/../b?", '/"><x>'])
def test_a_prefix_that_is_none_is_passed_over(prefix):
    assert seen([("x-forwarded-prefix", prefix)])[1] == "http://inner:5000"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/collections", "/collections"),
        ("/api/collections", "/collections"),
        ("/api", "/"),
        ("/api/", "/"),
        ("/apiary", "/apiary"),
    ],
)
def test_paths_with_and_without_the_prefix(path, expected):
    url = "https://eo.example.org/api"
    assert seen(path=path, trusted=(), public_url=url) == ("10.0.0.1", url, expected)


def test_a_prefix_that_the_settings_do_not_name_stays_on_the_path():
    """A client could send it, to get a path past the rules of the proxy."""
    assert seen([("x-forwarded-prefix", "/api")], path="/api/catalogue")[2] == "/api/catalogue"


def test_only_the_kind_that_the_proxy_writes_is_believed():
    both = [("x-forwarded-for", "203.0.113.7"), ("forwarded", "for=198.51.100.9;host=evil.example")]
    assert seen(both)[:2] == ("203.0.113.7", "http://inner:5000")
    standard = [("x-forwarded-for", "198.51.100.9"), ("x-forwarded-host", "evil.example"), ("x-forwarded-prefix", "/x")]
    found = seen([*standard, ("forwarded", "for=203.0.113.7;host=eo.example.org")], standard=True)
    assert found[:2] == ("203.0.113.7", "http://eo.example.org")


def test_the_public_address_wins():
    assert seen(X, public_url="https://real.example/x")[1] == "https://real.example/x"
