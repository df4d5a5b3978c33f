"""Ten thousand hostile requests, made from the table of addresses: no 500, no hang, no worker lost.

    requests(seed) ─> bytes on kept-open connections ─> status, body
      a real address, or one bent · real and hostile values of its own parameters · headers, methods and bodies

Requests are written as bytes: an HTTP client would put right much of what is wrong in them.
"""

from __future__ import annotations

import json
import random
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from typing import Any
from urllib.parse import quote, urlsplit

import httpx

from server.routes import DOCUMENTS, PATH_PARAMETERS, PIXELS

REQUESTS = 10_000
THREADS = 8
HANG_SECONDS = 30
SEED = 20201222

PAGES = ("/", "/conformance", "/openapi", "/viewer", "/healthz", "/readyz")
ENTITIES = (
    "aois", "records", "variables", "instances", "containers", "datasets", "collections", "layouts", "grids",
    "palettes", "styles", "consolidation", "nothing",
)  # fmt: skip

REAL: dict[str, tuple[str, ...]] = {
    "collectionId": ("s2-romania", "l8-paraguay"),
    "tileMatrix": ("14",),
    "tileRow": ("5880",),
    "tileCol": ("9200",),
    "datetime": ("2020-06-20", "2020-06-20/2020-06-30", "../2015-08-10", "2020-12-01/.."),
    "bbox": ("22.150,45.203,22.153,45.206", "-57,-27,-56,-26", "0,0,1,1"),
    "coords": (
        "POINT(22.1522 45.2048)",
        "POLYGON((22.150 45.203,22.155 45.203,22.155 45.206,22.150 45.206,22.150 45.203))",
        "LINESTRING(22.150 45.203,22.153 45.206)",
    ),
    "crs": ("http://www.opengis.net/def/crs/EPSG/0/3857", "EPSG:4326", "http://www.opengis.net/def/crs/OGC/1.3/CRS84"),
    "subset": ('time("2020-06-20")', "Lon(22.150:22.153)", "E(5272100:5272300),N(*:2532500)"),
    "properties": ("B4", "ndvi", "B4,B3,B2"),
    "parameter-name": ("B4", "ndvi"),
    "f": ("json", "png", "html", "csv", "covjson", "geotiff", "geojson", "plan"),
    "limit": ("1", "5"),
    "width": ("10", "64"),
    "height": ("10", "64"),
    "scale-factor": ("2", "0.9"),
    "scale-size": ("E(20),N(10)",),
    "within": ("50",),
    "within-units": ("m",),
    "corridor-width": ("50",),
    "width-units": ("m",),
    "mask": ("none", "clear", "SCL:4-7"),
    "group": ("record", "day", "all"),
    "mosaic": ("last", "median", "count"),
    "resampling": ("nearest", "bilinear"),
    "reducer": ("mean", "min,max"),
    "lang": ("en", "en-US"),
    "q": ("sentinel", "a,b"),
    "sortby": ("datetime", "-name"),
}
"""Values that make sense, by parameter; of those that are not here, the number one is tried."""

SMALL = {"datetime": REAL["datetime"][0], "parameter-name": "B4"}
"""Given where nothing else is: ten thousand requests for everything would only measure patience."""

NUMBERS = (
    "NaN", "nan", "inf", "-Infinity", "1e999", "-1e308", "1e-320", "-0", "0", "-1", "0x10", "1_000", "1,5", "९९", "½",
    "²", "9" * 18, "9" * 400, "2147483647", "-9223372036854775809", "1e5", "+7", " 7 ", "1.", ".5", "--1",
)  # fmt: skip
TIMES = (
    "0000-00-00", "0001-01-01", "9999-12-31", "9999/..", "10000-01-01", "2020-02-30", "2020-13", "2020/2019", "../..",
    "/", "2020/2021/2022", "-1", "2020-01-01T25:00:00Z", "2020-01-01T00:00:00+99:99", "2020-06-20T00:00:00+14:00",
    "now", "P1Y", "2020-01-01T00:00:00.0000000000001Z", "２０２０", "2020-W01-1", "0001-01-01T00:00:00+23:59",
)  # fmt: skip
BOXES = (
    "180,90,-180,-90", "-180,-90,180,90", "45.203,22.150,45.206,22.153", "0,0,0,0", "1,2,3", "1,2,3,4,5,6",
    "1,2,3,4,5,6,7", "-1e308,-1e308,1e308,1e308", "NaN,NaN,NaN,NaN", "inf,inf,inf,inf", "179,-20,-179,-10", ",,,",
    "22,45,22,46", "a,b,c,d", "1e-300,1e-300,2e-300,2e-300", "-180.0000001,0,0,1", "22.15,45.2,22.15000000000001,45.3",
)  # fmt: skip
PLACES = (
    "EPSG:99999999", "EPSG:4979", "EPSG:5773", "EPSG:0", "OGC:CRS84h", "ESRI:54009", "IAU_2015:30100", "EPSG:32661",
    "http://www.opengis.net/def/crs/EPSG/0/2193", "http://www.opengis.net/def/crs/EPSG/9.9/", "urn:ogc:def:crs:EPSG::",
    "+proj=pipeline +step +proj=utm", "+init=epsg:4326", "WGS84", "epsg:3035", "[EPSG:3035]", "EPSG:2056", "EPSG:3031",
)  # fmt: skip
SHAPES = (
    "POINT(nan nan)", "POINT(1e400 0)", "POINT(181 91)", "POINT EMPTY", "POINT(1)", "POINT Z(22 45 1)",
    "POINTM(1 2 3)", "POLYGON((0 0,1 1,0 1,1 0,0 0))", "POLYGON((0 0,1 1))", "POLYGON EMPTY",
    "POLYGON((0 0,0 0,0 0,0 0))", "LINESTRING(0 0)", "MULTIPOLYGON(((-180 -90,180 -90,180 90,-180 90,-180 -90)))",
    "GEOMETRYCOLLECTION(POINT(1 1))", "SRID=4326;POINT(1 1)", "GEOMETRYCOLLECTION(" * 900 + "POINT(1 1)" + ")" * 900,
    "(" * 3000, "CIRCULARSTRING(0 0,1 1,2 0)", "POINT(22.15 45.2", "", "MULTIPOINT(22.1522 45.2048,22.1523 45.2049)",
    "POLYGON((" + ",".join(f"{i} {i % 7}" for i in range(900)) + ",0 0))", '{"type":"Point","coordinates":[22,45]}',
    "POINT(45.2048 22.1522)", "LINESTRING(0 0,0 0)", "TRIANGLE((0 0,1 0,0 1,0 0))",
)  # fmt: skip
SPANS = (
    "E(", "E(1:2),E(1:2)", "Lat(nan:nan)", 'time("*":"*")', "E(" + "9" * 190 + ")", "E(1:2)N(1:2)", "height(1:2)",
    "E()", "E(2:1)", "Lon(1:2),N(1:2)", 'time("a":"b")', "((((", "E(1:2),", "E(*),N(*)", 'time("2020":"2019")',
    "Lon(-200:200)",
)  # fmt: skip
TEXTS = (
    "' OR 1=1 --", "1; DROP TABLE record", "1) UNION SELECT NULL--", "%' AND pg_sleep(20)--", "\\", '"', "{{7*7}}",
    "${7*7}", "${jndi:ldap://127.0.0.1/a}", "<script>alert(1)</script>", "../../../../etc/passwd", "..\\..\\boot.ini",
    "/etc/passwd", "file:///etc/passwd", "/vsicurl/http://127.0.0.1:1/a.tif", "|id", "$(id)", "`id`", "a\x00b",
    "a\r\nX-Evil: 1", "\x1b[2J", "\ufeff", "\u202e", "\U0001f6f0", "é", "e\u0301", "\ud7ff", "%", "%%", "%s%n",
    "a" * 8000, "," * 500, "*" * 500, "?" * 500, "(?i)" + "*a" * 200, "[" * 200, "None", "null", "true", "undefined",
    "[]", "{}", "__class__", "B4.__class__", " ", "\t", "", "SCL:0-99999999999", "SCL:4-", "SCL", "2**2**2**2",
    "B4,B4", ",B4", "B4,", "A,B;C", ";" * 400, "html", "application/json",
)  # fmt: skip
HOSTILE = (*NUMBERS, *TIMES, *BOXES, *PLACES, *SHAPES, *SPANS, *TEXTS)
FITTING = {
    "datetime": TIMES, "bbox": BOXES, "coords": SHAPES, "subset": SPANS, "scale-size": SPANS, "crs": PLACES,
    "bbox-crs": PLACES, "subset-crs": PLACES, "limit": NUMBERS, "width": NUMBERS, "height": NUMBERS,
    "scale-factor": NUMBERS,
}  # fmt: skip
"""Hostile values of the parameter's own kind, which come further than others."""

RAW = (
    "%", "%zz", "%00", "%c0%af", "%ff%fe", "%E4", "%2525", "%u0041", "=", "&&&&", "f", "=x", "f=json;bbox=1",
    "f=json#here", "\xe4=\xf6", "a\tb=c", "\\", "f[]=json", "f=json&f=json", "%66=json", "F=json", "+=+", "?f=json",
    "&" * 3000, "a=1&" * 500,
)  # fmt: skip
"""Queries as they are sent."""

HEADERS = (
    "Accept: */*;q=abc", "Accept: " + "text/html," * 400, "Accept: image/png;q=1e999, text/html;q=-1",
    "Accept: ;;;,,,", "Accept: \xff\xfe", "Accept-Language: xx-" + "y" * 500, "Accept-Language: *;q=nan",
    "Accept-Encoding: gzip;q=NaN, br", "If-None-Match: *", 'If-None-Match: "' + "a" * 4000, "If-None-Match: W/",
    "If-Match: *", "If-Modified-Since: never", "Range: bytes=-1", "Range: bytes=0-,1-,2-" + ",3-" * 300,
    "Host: evil.example.org:99999", "Host: a b", "Host: [::1", "Host: [::::]", "Host: [1.2.3.4]:80",
    "Host: evil/../..", "Host:", "X-Forwarded-Host: evil.example.org", "X-Forwarded-Proto: javascript",
    "X-Forwarded-For: ';--", "Forwarded: for=\"_';host=\x80", "Authorization: Bearer " + "a." * 2000,
    "Authorization: Basic !!!!", "Authorization: x", "X-API-Key: ' OR 1=1", "Cookie: " + "a=b; " * 500, "Origin: null",
    "X-HTTP-Method-Override: DELETE", "X-Request-ID: a\tb\x80", "Content-Type: application/geo+json; charset=utf-7",
    "Expect: 100-continue", "Connection: upgrade\r\nUpgrade: websocket", "traceparent: 00-zz-zz-00",
    "Transfer-Encoding: identity", "X-Script-Name: /../..", "Referer: \x00", "No colon here",
)  # fmt: skip

MEGABYTE = 2**20


def bodies() -> list[bytes]:
    """Bodies for `/catalogue`: geometries of a megabyte, deep and broken JSON."""
    ring = [[i % 360 - 180, (i * 7) % 180 - 90] for i in range(MEGABYTE // 12)]
    big = {"geometry": {"type": "MultiPolygon", "coordinates": [[[*ring, ring[0]]]]}}
    return [
        json.dumps(big).encode(),
        json.dumps({"name": "a" * MEGABYTE}).encode(),
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        b"[" * 100_000,
        b'{"name": "\\ud800"}',
        b'{"name": NaN, "time": Infinity}',
        b'{"name": 1e999, "tags": {"": null}}',
        b'{"a": 1, "a": 2}',
        b"\xff\xfe{\x00}\x00",
        b'{"name": "' + b"\x00" * 9 + b'"}',
        b'{"geometry": {"type": "Polygon", "coordinates": [[[1e308, 0], [0, 1e308], [1, 1], [1e308, 0]]]}}',
        b'{"geometry": {"type": "Polygon", "coordinates": [[[null]]]}}',
        b'{"id": ' + b"9" * 5000 + b"}",
        b'{"uri": "/etc/passwd", "managed": true}',
        b'{"name": "x", "fields": {"y": {"expression": "' + b"(" * 5000 + b'"}}}',
        b'{"name": "../../x", "time": "0000-00-00T00:00:00Z", "tags": {"$where": "1"}}',
        *(b"null", b"[]", b"0", b'""', b""),
    ]


@dataclass(frozen=True)
class Sent:
    """A request, as it goes over the wire."""

    head: bytes
    body: bytes = b""
    about: str = ""
    """The address it was made from."""

    @property
    def method(self) -> str:
        return self.head.split(b" ", 1)[0].decode("latin-1")


class Generator:
    """Makes requests; the same ones for the same seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._operations = (*PIXELS, *DOCUMENTS)
        self._bodies = bodies()

    def requests(self, count: int) -> Iterator[Sent]:
        kinds: list[tuple[Callable[[], Sent], int]] = [
            (self._operation, 800), (self._bent, 60), (self._page, 30), (self._write, 60), (self._read, 46),
            (self._oversize, 4),
        ]  # fmt: skip
        makers, weights = zip(*kinds, strict=True)
        for _ in range(count):
            yield self._random.choices(makers, weights)[0]()

    def _operation(self) -> Sent:
        """An address of the API with its own parameters, real and hostile."""
        one = self._random.choice(self._operations)
        path = one.path
        for name, (_, _, example) in PATH_PARAMETERS.items():
            real = self._random.choice(REAL.get(name, (example,)))
            path = path.replace(f"{{{name}}}", quote(self._hostile(name) if self._chance(0.07) else real, safe=""))
        wanted = {name: self._value(name) for name in one.required}
        for name in self._random.sample(one.parameters, min(len(one.parameters), self._random.choice((0, 1, 1, 2, 3)))):
            wanted[name] = self._value(name)
        pairs = [*wanted.items(), *((n, v) for n, v in SMALL.items() if n in one.parameters and n not in wanted)]
        if self._chance(0.04):
            pairs.append(self._random.choice(pairs or [("f", "json")]))
        if self._chance(0.04):
            pairs.append((self._hostile("") or "x", self._hostile("")))
        return self._get(path, "&".join(f"{quote(n, safe='')}={quote(v, safe='')}" for n, v in pairs), one.path)

    def _bent(self) -> Sent:
        """Bytes in the address that are no proper URL."""
        path = self._random.choice(
            ("/collections/s2-romania/items", "/collections/s2-romania/position", "//", "/./..//",
             "/collections/%2e%2e/x", "/collections/s2-romania/", "/collections//items", "/COLLECTIONS",
             "/viewer/../../etc/passwd", "/assets/%2e%2e/%2e%2e/x", "/viewer/..%2f..%2f..%2fetc%2fpasswd",
             "/collections/\xe4", "/%00", "http://evil.example.org/collections", "*")
        )  # fmt: skip
        return self._get(path, self._random.choice(RAW), "bent")

    def _page(self) -> Sent:
        path = self._random.choice((*PAGES, "/collections/s2-romania/nothing", "/nothing"))
        query = f"{self._random.choice(('f', 'lang', 'x'))}={quote(self._hostile('f'), safe='')}"
        return self._get(path, query if self._chance(0.7) else "", path)

    def _read(self) -> Sent:
        """The catalogue, searched by hostile values."""
        entity = self._random.choice(ENTITIES)
        name = self._random.choice(
            ("name", "bbox", "datetime", "limit", "after", "ids", "tags", "aoi", "record", "uri")
        )
        key = f"/{quote(self._hostile('limit'), safe='')}" if self._chance(0.3) else ""
        return self._get(f"/catalogue/{entity}{key}", f"{name}={quote(self._hostile(name), safe='')}", "catalogue")

    def _write(self) -> Sent:
        """Bodies that nobody should take; never one that would change the images."""
        method = self._random.choice(("POST", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW", "get"))
        key = quote(self._hostile("limit"), safe="") or "x"
        target = f"/catalogue/{self._random.choice(ENTITIES)}"
        if method not in ("POST", "OPTIONS"):
            target += f"/hostile-{key}"
        if self._chance(0.2):
            target = self._random.choice(("/collections/s2-romania/coverage", "/collections", "/", "/readyz"))
        body = self._random.choice(self._bodies)
        kind = self._random.choice(
            ("application/json", "application/geo+json", "application/merge-patch+json", "text/plain")
        )
        return self._sent(method, target, "writing", [f"Content-Type: application/{kind}"], body)

    def _oversize(self) -> Sent:
        """A geometry of a megabyte in the address, and of just as much as goes through."""
        size = self._random.choice((15_000, 40_000, MEGABYTE))
        ring = ",".join(f"{i % 360 - 180} {i * 7 % 180 - 90}" for i in range(size // 12))
        return self._get("/collections/s2-romania/area", f"coords={quote(f'POLYGON(({ring}))')}", "oversize")

    def _get(self, path: str, query: str, about: str) -> Sent:
        headers = [self._random.choice(HEADERS) for _ in range(self._random.choice((0, 0, 0, 1, 3)))]
        method = self._random.choices(("GET", "HEAD"), (12, 1))[0]
        return self._sent(method, f"{path}?{query}" if query else path, about, headers)

    def _sent(self, method: str, target: str, about: str, headers: list[str], body: bytes = b"") -> Sent:
        named = any(header.startswith("Host:") for header in headers)
        lines = [f"{method} {target} HTTP/1.1", *([] if named and self._chance(0.8) else ["Host: 127.0.0.1"]), *headers]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        return Sent(
            "\r\n".join([*lines, "", ""]).encode("utf-8" if self._chance(0.5) else "latin-1", "ignore"), body, about
        )

    def _value(self, name: str) -> str:
        if self._chance(0.6):
            return self._random.choice(REAL.get(name) or REAL.get(name.removesuffix("-crs"), ("1",)))
        return self._hostile(name)

    def _hostile(self, name: str) -> str:
        return self._random.choice(FITTING[name] if name in FITTING and self._chance(0.7) else HOSTILE)

    def _chance(self, share: float) -> bool:
        return self._random.random() < share


class Connection:
    """A connection that is kept as long as the server keeps it."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._address = (parts.hostname, parts.port)
        self._socket: socket.socket | None = None

    def ask(self, sent: Sent) -> tuple[int, dict[str, str], bytes]:
        """(status, headers, body); status 0: closed without an answer. Raises TimeoutError for a hang."""
        fresh = self._socket is None
        try:
            return self._ask(sent)
        except (OSError, HTTPException) as error:
            if isinstance(error, TimeoutError):
                raise
            self.close()
            if fresh:
                return 0, {}, b""
        return self.ask(sent)  # the server had closed a connection that was kept: once more on a new one

    def _ask(self, sent: Sent) -> tuple[int, dict[str, str], bytes]:
        if self._socket is None:
            self._socket = socket.create_connection(self._address, timeout=HANG_SECONDS)
        with suppress(BrokenPipeError, ConnectionResetError):  # refused while it was sent: the answer is there already
            self._socket.sendall(sent.head + sent.body)
        response = HTTPResponse(self._socket, method=sent.method)
        response.begin()
        body = response.read()
        headers = {name.lower(): value for name, value in response.getheaders()}
        if response.will_close or sent.body:
            self.close()
        return response.status, headers, body

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket = None


def wrong(status: int, headers: dict[str, str], body: bytes) -> str | None:
    """What is wrong with an answer, if anything."""
    if status >= 500:
        return f"{status} {body[:300]!r}"
    if b"Traceback (most recent" in body or b"x-evil" in b" ".join(name.encode() for name in headers):
        return f"{status} tells what it must not: {body[:300]!r}"
    if b"root:x:0:0" in body:
        return "a file of the machine"
    kind = headers.get("content-type", "")
    if status >= 400 and body and kind.startswith("application/problem+json") and json.loads(body)["status"] != status:
        return f"{status}, but the problem is of another status: {body[:300]!r}"
    return None


def test_ten_thousand_hostile_requests(tmp_path: Any, start: Callable[..., Any]) -> None:
    with start(tmp_path / "home", "demo", JOBS__RUN="true") as server:
        asked = {"coords": "POINT(22.1522 45.2048)", "parameter-name": "ndvi", "datetime": "2020"}
        before = httpx.get(f"{server.url}/collections/s2-romania/position", params=asked, timeout=60).json()
        workers = server.workers()
        job = httpx.post(f"{server.url}/processes/echo/execution", json={"inputs": {"stringInput": "a"}}, timeout=300)
        REAL["jobID"] = (job.headers["link"].partition("/jobs/")[2].partition(">")[0],)
        everything = list(Generator(SEED).requests(REQUESTS))

        def run(part: list[Sent]) -> list[tuple[Sent, int, float, str | None]]:
            found = []
            with closing(Connection(server.url)) as connection:
                for sent in part:
                    begin = time.monotonic()
                    try:
                        status, headers, body = connection.ask(sent)
                        found.append((sent, status, time.monotonic() - begin, wrong(status, headers, body)))
                    except TimeoutError:
                        found.append((sent, -1, time.monotonic() - begin, "no answer"))
                        connection.close()
            return found

        with ThreadPoolExecutor(THREADS) as pool:
            results = [one for part in pool.map(run, (everything[i::THREADS] for i in range(THREADS))) for one in part]

        histogram = Counter(status for _, status, _, _ in results)
        print(f"\n{len(results)} requests: " + ", ".join(f"{status}: {n}" for status, n in sorted(histogram.items())))
        slowest = sorted(results, key=lambda one: -one[2])[:5]
        print("\n".join(f"{seconds:.1f} s {sent.head[:160]!r}" for sent, _, seconds, _ in slowest))
        defects = [f"{what}\n  {sent.head[:600]!r} {sent.body[:80]!r}" for sent, _, _, what in results if what]
        assert not defects, f"{len(defects)} of {len(results)}:\n" + "\n".join(defects[:20])

        closed = [sent for sent, status, _, _ in results if status == 0 and len(sent.head) < 2**16 and not sent.body]
        assert not closed, f"closed without an answer: {closed[:5]}"
        reached = Counter(sent.about for sent, status, _, _ in results if 200 <= status < 300)
        missed = [one.path for one in (*PIXELS, *DOCUMENTS) if not reached[one.path]]
        assert not missed, "the requests miss their aim"
        assert server.workers() == workers, "a worker was lost"
        assert httpx.get(f"{server.url}/readyz", timeout=60).status_code == 200
        after = httpx.get(f"{server.url}/collections/s2-romania/position", params=asked, timeout=60).json()
        assert after == before
