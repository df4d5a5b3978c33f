"""The settings of a server, as one frozen tree.

    Settings
    ├── home                     folder of the catalogue and caches
    ├── catalogue                url
    ├── access                   who may read and write what
    ├── serve                    where and how the server listens
    ├── limits                   what one request may cost
    ├── engine                   what reading pixels may use
    ├── jobs                     who executes jobs, and what they may use
    ├── tiles                    in which tile matrix sets there are tiles
    ├── downloader               what a server without a catalogue may read
    ├── pygeoapi                 the rest of the file, as pygeoapi wants it
    └── path                     the file it came from

`load` in `config.settings` makes it from a file and the environment. The descriptions below are the documentation:
`describe` lists them, and a test holds them against docs/reference/settings.md.
"""

from __future__ import annotations

import ipaddress
import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NamedTuple, get_args
from urllib.parse import urlsplit

from pydantic import ByteSize, Field, ValidationInfo, field_validator

from config.access import AccessControl, AccessRule, is_loopback
from config.pool import Pool, PoolKind, PoolRatio
from config.section import PositiveInt, Section
from prismcube.errors import InvalidInput
from prismcube.jobs.addresses import parse_allowed
from prismcube.storage.uri import canonical_prefix

SECRETS = ("prismcube.catalogue.url", "prismcube.limits.rate_storage")
"""Settings that may hold a password: their values are never shown."""

ROOT = "prismcube"
"""The top key of our part of the file, and the first part of every dotted name."""

PositiveBytes = Annotated[ByteSize, Field(gt=0)]


class Catalogue(Section):
    """Where the catalogue is."""

    url: str | None = Field(
        None,
        description="Address of the database: `sqlite:///path`, or `postgresql://user:password@host/name` with PostGIS "
        "(docs/how-to/postgresql.md). Null: `catalogue.sqlite` in the home folder.",
    )

    managed: str | None = Field(
        None,
        min_length=1,
        description="Folder or URI below which files may be ours (`managed`): they are deleted with their containers. "
        "Null: `storage` in the home folder.",
    )

    @field_validator("url")
    @classmethod
    def _known_database(cls, url: str | None) -> str | None:
        # The value is not repeated in the message: it may hold a password.
        if url is not None and not url.startswith(("sqlite:///", "postgresql://")):
            raise ValueError("must begin with sqlite:/// or postgresql://")
        return url


class Serve(Section):
    """Where and how the server listens."""

    # First, because the check of `host` needs it.
    open_to_network: bool = Field(
        False,
        description="Whether `host` may be anything but loopback although `access` asks for no keys or tokens: "
        "whoever reaches the port may then read every collection.",
    )
    writable: bool = Field(
        False,
        description="Whether whoever reaches the port may do everything, also read and change `/catalogue`, when that "
        "may be others than this machine (`host` is no loopback address, or `public_url` is set) and `access` asks "
        "for no keys or tokens. Who is on this machine always may.",
    )
    host: str = Field("127.0.0.1", min_length=1, description="Address or host name to listen on.")
    port: int = Field(5000, ge=1, le=65535, description="TCP port to listen on.")
    workers: PositiveInt = Field(2, description="Processes that answer requests.")
    threads: PositiveInt = Field(4, description="Threads of one worker that read and compute pixels.")
    timeout: PositiveInt = Field(
        120, description="Seconds after which a worker that no longer answers is replaced, with its requests."
    )
    public_url: str | None = Field(
        None,
        description="Address under which clients see the server, put into links, such as `https://eo.example.org/api`. "
        "Null: taken from the request, or from `host` and `port` where there is none.",
    )
    trusted_proxies: tuple[str, ...] = Field(
        (),
        description="Addresses and networks (`10.0.0.0/8`) of proxies whose `X-Forwarded-For`, `-Proto`, `-Host` and "
        "`-Prefix` headers are believed (docs/how-to/operate.md).",
    )
    forwarded: bool = Field(
        False,
        description="Whether these proxies write `Forwarded` (RFC 7239) in place of the `X-Forwarded` headers. Only "
        "one kind is believed, since a proxy passes the other one on as the client has sent it.",
    )
    cors_origins: tuple[str, ...] = Field(
        ("*",),
        description="Sites whose pages may read the server from a browser, such as `https://maps.example.org`; `*` is "
        "every site. Never `/catalogue`, which names the files of the archive.",
    )
    header_seconds: PositiveInt = Field(
        30, description="Seconds that a connection may take to send the headers of a request; then it ends."
    )
    connections: PositiveInt = Field(
        1000, description="Connections that one worker keeps open, busy or idle; those beyond get 503 and are closed."
    )

    @field_validator("host")
    @classmethod
    def _loopback_unless_told(cls, host: str, info: ValidationInfo) -> str:
        asks = (info.context or {}).get("asks_for_keys", False)
        if info.data.get("open_to_network") is False and not asks and not is_loopback(host):
            raise ValueError(
                "is not a loopback address, and no authentication is configured: whoever reaches the port may read "
                f"everything; see {ROOT}.access, or set {ROOT}.serve.open_to_network to true if that is wanted"
            )
        return host

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, networks: tuple[str, ...]) -> tuple[str, ...]:
        for one in networks:
            try:
                ipaddress.ip_network(one)
            except ValueError as error:
                raise ValueError(f"must be addresses or networks such as 10.0.0.0/8: {error}") from error
        return networks

    @field_validator("cors_origins")
    @classmethod
    def _origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for one in origins:
            parts = urlsplit(one)
            if one != "*" and (parts.scheme not in ("http", "https") or one != f"{parts.scheme}://{parts.netloc}"):
                raise ValueError("must be * or sites such as https://maps.example.org, without a path")
        return origins

    @field_validator("public_url")
    @classmethod
    def _web_address(cls, url: str | None) -> str | None:
        if url is None:
            return None
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.netloc or parts.query or parts.fragment:
            raise ValueError("must be an address such as https://eo.example.org/api, without query or fragment")
        return url.rstrip("/")


class Limits(Section):
    """What one request may cost; a request beyond is refused before anything is read."""

    answer_bytes: PositiveBytes = Field(
        ByteSize(512 * 2**20), description="Bytes of decoded pixels in one answer, before it is packed."
    )
    working_bytes: PositiveBytes = Field(
        ByteSize(2**30),
        description="Bytes of memory that the requests computed by one worker may use together; "
        "one that needs more is refused, one that must wait for others waits.",
    )
    pixels: PositiveInt = Field(
        2_000_000_000,
        description="Pixels one request may compute: for each file and band the pixels of the answer, when they are "
        "resampled times the width of the kernel (bilinear 2, cubic 4, lanczos 6).",
    )
    slices: PositiveInt = Field(1000, description="Time steps in one answer.")
    read_bytes: PositiveBytes = Field(
        ByteSize(4 * 2**30), description="Bytes of decoded source pixels that one request may read."
    )
    json_values: PositiveInt = Field(3_000_000, description="Values in one CoverageJSON or CSV answer.")
    items: PositiveInt = Field(1000, description="Items on one page, at most.")
    default_items: PositiveInt = Field(
        10, validate_default=True, description="Items on one page when a request does not say how many."
    )
    counted: PositiveInt = Field(
        10_000,
        description="Datasets that may be looked at to tell how many items there are (`numberMatched`); of more, and "
        "with `bbox`, it is told only when one page holds all.",
    )
    vertices: PositiveInt = Field(10_000, description="Vertices of a geometry in a request.")
    seconds: PositiveInt = Field(
        100, description="Seconds until the first byte of an answer with pixels; work that takes longer is stopped."
    )
    stall_seconds: PositiveInt = Field(
        60, description="Seconds that a client may take nothing of its answer; then the connection ends."
    )
    url_bytes: PositiveInt = Field(16_384, description="Bytes of a request's address with its query.")
    parameters: PositiveInt = Field(200, description="Query parameters of a request.")
    header_bytes: PositiveInt = Field(32_768, description="Bytes of a request's headers.")
    body_bytes: PositiveBytes = Field(ByteSize(64 * 2**20), description="Bytes of a request's body.")
    body_seconds: PositiveInt = Field(120, description="Seconds that a request's body may take to arrive.")
    queue: PositiveInt = Field(
        64, description="Requests that may wait for a pixel thread of one worker; beyond, the answer is 503."
    )
    client_requests: PositiveInt = Field(
        32,
        description="Requests for pixels that one client may have running or waiting in one worker at once; beyond, "
        "the answer is 429. A client is a key or user, else an address (of IPv6 the first 64 bits).",
    )
    client_rate: str | None = Field(
        None,
        description="Requests that one client may make, such as `600/minute` or `20/second`; beyond, the answer is "
        "429. Null: as many as it likes.",
    )
    rate_storage: str = Field(
        "memory://",
        description="Where requests are counted for `client_rate`: `memory://`, in each worker by itself, or "
        "`redis://host:port`, for all of them together (needs the `redis` package).",
    )

    @field_validator("default_items")
    @classmethod
    def _within_a_page(cls, default: int, info: ValidationInfo) -> int:
        if default > info.data.get("items", default):
            raise ValueError(f"must be at most {ROOT}.limits.items ({info.data['items']})")
        return default

    @field_validator("client_rate")
    @classmethod
    def _rate(cls, rate: str | None) -> str | None:
        if rate is not None and not re.fullmatch(r"[1-9][0-9]{0,8}/(second|minute|hour|day)", rate):
            raise ValueError("must be a number a second, minute, hour or day, such as 600/minute")
        return rate

    @field_validator("rate_storage")
    @classmethod
    def _known_storage(cls, storage: str) -> str:
        # The value is not repeated in the message: it may hold a password.
        if storage != "memory://" and not storage.startswith(("redis://", "rediss://")):
            raise ValueError("must be memory://, or begin with redis:// or rediss://")
        return storage


class LogFormat(StrEnum):
    """How a line of the log is written."""

    JSON = "json"
    TEXT = "text"


class LogLevel(StrEnum):
    """The least important lines that are written."""

    DEBUG = "debug"
    INFO = "info"  # one line a request
    WARNING = "warning"
    ERROR = "error"


class Log(Section):
    """What a running server writes to its standard error."""

    format: LogFormat = Field(
        LogFormat.JSON,
        description="`json`: an object a line, for machines; `text`: for people. `prismcube demo` writes text unless "
        "this says otherwise.",
    )
    level: LogLevel = Field(
        LogLevel.INFO,
        description="`debug`, `info` (a line for each request), `warning` or `error`. `prismcube demo` begins at "
        "`warning` unless this says otherwise.",
    )


class Tiles(Section):
    """Tiles of maps."""

    matrix_sets: str | None = Field(
        None,
        min_length=1,
        description="Folder of tile matrix sets of one's own, a JSON document each (OGC 17-083r4), offered beside "
        "those that come with the server. Null: none.",
    )


class Downloader(Section):
    """What `prismcube serve --role downloader` may read for whoever sends a plan."""

    roots: tuple[str, ...] = Field(
        (),
        description="Folders, buckets and hosts below which every file may be read, such as `/data/images`, "
        "`s3://bucket/prefix` or `http://10.0.0.5:9000`; local files and buckets only there. "
        "See docs/how-to/download-cubes.md.",
    )
    public_http: bool = Field(
        True,
        description="Whether files, signed URLs among them, may also come from any http or https host with a public "
        "address.",
    )

    @field_validator("roots")
    @classmethod
    def _places(cls, roots: tuple[str, ...]) -> tuple[str, ...]:
        try:
            found = [canonical_prefix(one) for one in roots]
        except InvalidInput as error:
            raise ValueError(f"must be folders or URIs of such: {error.reason}") from error
        if any("?" in one for one in found):
            raise ValueError("must be folders or URIs of such, without a query")
        return tuple(one if one.startswith("file:") else one.rstrip("/") for one in found)


class EngineKind(StrEnum):
    """How pixels are read."""

    AUTO = "auto"  # fast where a file's layout is understood, else by GDAL
    RASTERIO = "rasterio"


class Engine(Section):
    """What a worker may use to read and compute pixels."""

    kind: EngineKind = Field(
        EngineKind.AUTO,
        description="`auto`: files whose layout is understood are read without GDAL, all others by it. `rasterio`: "
        "GDAL reads every file; slower, and the judge of the other way.",
    )
    threads: PositiveInt | None = Field(
        None, description="Threads of one worker that compute pixels of files. Null: as many as there are cores."
    )
    cache_bytes: PositiveBytes = Field(
        ByteSize(128 * 2**20), description="Bytes of decoded blocks of files that one worker keeps."
    )
    requests: PositiveInt = Field(64, description="Requests that one worker makes to stores of remote files at once.")
    requests_per_host: PositiveInt = Field(48, description="Of these, to one host or bucket.")
    request_bytes: PositiveBytes = Field(
        ByteSize(128 * 2**20),
        description="Bytes of remote files that one worker asks for ahead: under way, or arrived and not yet used.",
    )
    request_seconds: PositiveInt = Field(
        30,
        description="Seconds until the last byte of a request to a store must have come; for more than 4 MiB at once "
        "twice, four times, ... as many. A host that is slower fails.",
    )


class JobEngine(StrEnum):
    """Where tasks of jobs are executed."""

    LOCAL = "local"  # in processes of the orchestrator's machine
    DASK = "dask"  # on a cluster of dask.distributed


class Window(Section):
    """How many tasks of a kind run at once."""

    kind: str = Field(min_length=1, description="Kind of tasks, as the list of a job's tasks shows them.")
    tasks: PositiveInt = Field(description="Of these, so many run at once, whatever room there is.")


class Resource(Section):
    """Which workers of dask execute tasks of a kind."""

    kind: str = Field(min_length=1, description="Kind of tasks, as the list of a job's tasks shows them.")
    resource: str = Field(
        min_length=1,
        description="Each of these tasks takes one of this resource, which workers are started with: "
        "`dask worker --resources process=2`.",
    )


class Jobs(Section):
    """Who executes jobs, and what they may use."""

    run: bool = Field(
        True,
        description="Whether `serve` starts and watches over a process that executes jobs. False: `prismcube worker` "
        "does, here or on another machine; until one runs, jobs wait.",
    )
    engine: JobEngine = Field(
        JobEngine.LOCAL,
        description="`local`: processes of the same machine. `dask`: a cluster, whose scheduler is "
        "`prismcube.jobs.scheduler`.",
    )
    scheduler: str | None = Field(
        None, min_length=1, description="Address of dask's scheduler, such as `tcp://scheduler:8786`."
    )
    processes: PositiveInt | None = Field(
        None, description="Processes that execute tasks on this machine. Null: as many as there are cores."
    )
    memory: PositiveBytes = Field(ByteSize(2**30), description="Bytes that one task may use for pixels.")
    attempts: PositiveInt = Field(3, description="How often a task is tried that fails in a way that may pass.")
    windows: tuple[Window, ...] = Field((), description="Kinds of tasks of which only some may run at once.")
    resources: tuple[Resource, ...] = Field(
        (), description="Kinds of tasks that only some workers of dask execute; others run anywhere."
    )
    pool: Pool = Field(default_factory=Pool)
    keep_days: PositiveInt = Field(
        30, description="Days that jobs which have ended are kept, with their logs and results."
    )
    grace_seconds: PositiveInt = Field(
        120,
        description="Seconds that files stay after readers don't see their datasets any more: answers under way may "
        "need them. More than `prismcube.limits.seconds`, and as long as large answers take to be sent.",
    )
    wait_seconds: PositiveInt = Field(
        60, description="Seconds that a request may wait for the outcome of a job; then it gets the job's address."
    )
    callbacks: tuple[str, ...] = Field(
        (),
        description="Hosts and networks (`10.0.0.0/8`, `hooks.example.org`, `127.0.0.1:8000`) that jobs may call back, "
        "and inputs be fetched from, although they are private; public ones always may.",
    )

    @field_validator("callbacks")
    @classmethod
    def _hosts_and_networks(cls, callbacks: tuple[str, ...]) -> tuple[str, ...]:
        for one in callbacks:
            parse_allowed(one)
        return callbacks


class Ours(Section):
    """What stands under `prismcube:` in the file, and what the environment may override."""

    home: Path = Field(
        Path(".prismcube"),
        description="Folder of the catalogue and caches; a relative one starts at the working directory.",
    )
    catalogue: Catalogue = Field(default_factory=Catalogue)
    access: AccessControl = Field(default_factory=AccessControl)
    serve: Serve = Field(default_factory=Serve)
    limits: Limits = Field(default_factory=Limits)
    engine: Engine = Field(default_factory=Engine)
    jobs: Jobs = Field(default_factory=Jobs)
    tiles: Tiles = Field(default_factory=Tiles)
    downloader: Downloader = Field(default_factory=Downloader)
    log: Log = Field(default_factory=Log)

    @field_validator("home")
    @classmethod
    def _expand(cls, home: Path) -> Path:
        return home.expanduser()

    @property
    def managed(self) -> str:
        """The folder of files that are ours, with the default filled in; absolute."""
        return self.catalogue.managed or str(self.home.absolute() / "storage")

    @property
    def catalogue_url(self) -> str:
        """The database's address, with the default filled in; absolute, so it holds in every working directory."""
        return self.catalogue.url or f"sqlite:///{(self.home.absolute() / 'catalogue.sqlite').as_posix()}"


class Settings(Ours):
    """Everything a server is told at start."""

    pygeoapi: dict[str, Any]
    """The file without our part: what pygeoapi itself reads."""
    path: Path
    """The file."""


class Setting(NamedTuple):
    """One line of the settings' reference."""

    name: str
    """Dotted, from `prismcube.` on."""
    type: str
    default: str
    """As one would write it in the file."""
    description: str


def describe() -> list[Setting]:
    """Every setting, in the order of the tree; `N` stands for the number of an element of a list."""
    return list(_lines(Ours, ROOT))


def _lines(section: type[Section], prefix: str) -> list[Setting]:
    lines: list[Setting] = []
    for name, field in section.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, Section):
            lines += _lines(kind, f"{prefix}.{name}")
            continue
        default = "(none)" if field.is_required() else _written(field.default)
        lines.append(Setting(f"{prefix}.{name}", _TYPES[kind], default, str(field.description)))
        for element in get_args(kind):
            if isinstance(element, type) and issubclass(element, Section):
                lines += _lines(element, f"{prefix}.{name}.N")
    return lines


_TYPES: dict[Any, str] = {
    bool: "true or false",
    int: "whole number",
    str: "text",
    PositiveInt | None: "whole number or null",
    str | None: "text or null",
    Path: "path",
    tuple[str, ...]: "list of texts",
    EngineKind: "auto or rasterio",
    LogFormat: "json or text",
    LogLevel: "debug, info, warning or error",
    ByteSize: "bytes, such as 536870912 or 512 MiB",
    tuple[AccessRule, ...]: "list of rules",
    tuple[Window, ...]: "list of windows",
    tuple[Resource, ...]: "list of resources",
    tuple[PoolRatio, ...]: "list of ratios",
    PoolKind: "none, local or kubernetes",
    float: "number",
    JobEngine: "local or dask",
}


def _written(default: Any) -> str:
    match default:
        case None:
            return "null"
        case bool():
            return str(default).lower()
        case tuple():
            return f"[{', '.join(map(repr, default))}]".replace("'", '"')
        case ByteSize():
            return default.human_readable(separator=" ").replace(".0 ", " ")
        case _:
            return str(default)
