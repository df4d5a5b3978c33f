"""Settings: one file, the environment over it, every mistake at once under its dotted name."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from pygeoapi.config import validate_config
from pygeoapi.util import yaml_load

from config import Settings, describe, load
from config.access import is_loopback
from prismcube.errors import ConfigurationError

ROOT = Path(__file__).resolve().parents[3]
SHIPPED = ROOT / "pygeoapi-config.yml"
SHIPPED_DOCUMENT = yaml.safe_load(SHIPPED.read_text())

WriteFile = Callable[..., Path]


@pytest.fixture(autouse=True)
def no_overrides(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.upper().startswith("PRISMCUBE_"):
            monkeypatch.delenv(name)


@pytest.fixture
def write(tmp_path: Path) -> WriteFile:
    """Writes the shipped file with another `prismcube` part, and whatever else is given."""

    def make(ours: Any = None, **rest: Any) -> Path:
        document = SHIPPED_DOCUMENT | rest | {"prismcube": ours}
        path = tmp_path / "settings.yml"
        path.write_text(yaml.safe_dump(document))
        return path

    return make


def mistakes(path: Path, **options: Any) -> dict[str, str]:
    with pytest.raises(ConfigurationError) as caught:
        load(path, **options)
    assert caught.value.source == str(path)
    return dict(caught.value.mistakes)


# --- what is right ------------------------------------------------------------------------------------------------


def test_shipped_file_is_valid_for_pygeoapi() -> None:
    with SHIPPED.open() as file:
        document = yaml_load(file)
    assert validate_config(document)
    assert document["resources"] == {}


def test_shipped_file_holds_the_defaults() -> None:
    shipped = load(SHIPPED)
    assert shipped == Settings(pygeoapi=shipped.pygeoapi, path=SHIPPED)


def test_pygeoapi_gets_the_rest_of_the_file(write: WriteFile) -> None:
    settings = load(write({}))
    assert set(settings.pygeoapi) == {"server", "logging", "metadata", "resources"}


@pytest.mark.parametrize("ours", [None, {}, {"serve": None, "limits": None}], ids=["null", "empty", "empty sections"])
def test_nothing_said_means_defaults(write: WriteFile, ours: Any) -> None:
    settings = load(write(ours))
    assert settings.serve.port == 5000
    assert settings.limits.answer_bytes == 512 * 1024 * 1024


@pytest.mark.parametrize(
    ("written", "bytes_"),
    [(1000, 1000), ("1000", 1000), ("512 MiB", 512 * 2**20), ("1.5GiB", 1.5 * 2**30), ("2 MB", 2_000_000)],
)
def test_byte_sizes(write: WriteFile, written: Any, bytes_: float) -> None:
    assert load(write({"limits": {"answer_bytes": written}})).limits.answer_bytes == bytes_


def test_catalogue_lies_in_the_home_folder_by_default(write: WriteFile, tmp_path: Path) -> None:
    assert load(write({"home": str(tmp_path)})).catalogue_url == f"sqlite:///{tmp_path}/catalogue.sqlite"


def test_catalogue_of_a_relative_home_is_absolute(write: WriteFile) -> None:
    assert load(write({"home": "here"})).catalogue_url == f"sqlite:///{Path.cwd()}/here/catalogue.sqlite"


def test_catalogue_url_is_taken_as_given(write: WriteFile) -> None:
    url = "sqlite:////srv/eo/catalogue.sqlite"
    assert load(write({"catalogue": {"url": url}})).catalogue_url == url


def test_public_url_loses_its_last_slash(write: WriteFile) -> None:
    assert (
        load(write({"serve": {"public_url": "https://eo.example.org/"}})).serve.public_url == "https://eo.example.org"
    )


def test_settings_are_frozen(write: WriteFile) -> None:
    settings = load(write({}))
    with pytest.raises(ValueError, match="frozen"):
        settings.serve.port = 1  # type: ignore[misc]


def test_placeholders_are_expanded(write: WriteFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EO_PORT", "5055")
    settings = load(write({"home": "${EO_HOME:-elsewhere}", "serve": {"port": "${EO_PORT}"}}))
    assert (settings.home, settings.serve.port) == (Path("elsewhere"), 5055)


# --- the environment and the command line ---------------------------------------------------------------------------


def test_environment_wins_over_the_file(write: WriteFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRISMCUBE_HOME", "from-environment")
    monkeypatch.setenv("PRISMCUBE_SERVE__PORT", "5001")
    monkeypatch.setenv("PRISMCUBE_LIMITS__READ_BYTES", "8 GiB")
    settings = load(write({"home": "from-file", "serve": {"port": 5002, "workers": 3}}))
    assert settings.home == Path("from-environment")
    assert (settings.serve.port, settings.serve.workers) == (5001, 3)
    assert settings.limits.read_bytes == 8 * 2**30


def test_empty_variable_sets_nothing(write: WriteFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRISMCUBE_SERVE__PUBLIC_URL", "")
    assert load(write({})).serve.public_url is None


def test_overrides_win_over_the_environment(write: WriteFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRISMCUBE_SERVE__PORT", "5001")
    settings = load(write({}), overrides={"prismcube.serve.port": 5003, "prismcube.home": Path("h")})
    assert (settings.serve.port, settings.home) == (5003, Path("h"))


def test_overrides_keep_the_network_rule(write: WriteFile) -> None:
    found = mistakes(write({}), overrides={"prismcube.serve.host": "0.0.0.0"})
    assert list(found) == ["prismcube.serve.host"]


def test_mistake_from_the_environment_names_its_variable(write: WriteFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRISMCUBE_SERVE__PORT", "many")
    assert "PRISMCUBE_SERVE__PORT" in mistakes(write({}))["prismcube.serve.port"]


@pytest.mark.parametrize(
    ("variable", "name", "reason"),
    [
        ("PRISMCUBE_SERVE__PROT", "prismcube.serve.prot", "did you mean prismcube.serve.port?"),
        ("PRISMCUBE_SERV__PORT", "prismcube.serv", "did you mean serve?"),
        ("PRISMCUBE_SERVE", "prismcube", "PRISMCUBE_<SECTION>__<NAME>"),
    ],
)
def test_variables_that_set_nothing_are_mistakes(
    write: WriteFile, monkeypatch: pytest.MonkeyPatch, variable: str, name: str, reason: str
) -> None:
    monkeypatch.setenv(variable, "x")
    assert reason in mistakes(write({}))[name]


# --- what is wrong ------------------------------------------------------------------------------------------------


def test_all_mistakes_of_both_parts_at_once(write: WriteFile) -> None:
    ours = {"home": 5, "serve": {"port": "x", "workers": 0, "prot": 1}, "limits": {"answer_bytes": "much"}}
    found = mistakes(write(ours, server={"url": 3}, logging={"level": "LOUD"}))
    assert {
        "prismcube.home",
        "prismcube.serve.port",
        "prismcube.serve.workers",
        "prismcube.serve.prot",
        "prismcube.limits.answer_bytes",
        "server",
        "server.url",
        "logging.level",
    } <= set(found)


@pytest.mark.parametrize(
    ("ours", "name", "suggestion"),
    [
        ({"serve": {"prot": 1}}, "prismcube.serve.prot", "did you mean prismcube.serve.port?"),
        ({"port": 1}, "prismcube.port", "did you mean prismcube.serve.port?"),
        ({"limits": {"answer_byte": 1}}, "prismcube.limits.answer_byte", "did you mean prismcube.limits.answer_bytes?"),
    ],
    ids=["misspelt", "wrong section", "singular"],
)
def test_unknown_key_suggests_the_right_one(write: WriteFile, ours: Any, name: str, suggestion: str) -> None:
    assert suggestion in mistakes(write(ours))[name]


def test_unknown_key_like_no_other_suggests_nothing(write: WriteFile) -> None:
    assert mistakes(write({"xyzzy": 1}))["prismcube.xyzzy"] == "unknown setting"


def test_misspelt_top_key(write: WriteFile) -> None:
    assert "did you mean prismcube?" in mistakes(write({}, prismcub={"home": "x"}))["prismcub"]


def test_anchors_may_stand_under_x_keys(write: WriteFile) -> None:
    assert load(write({}, **{"x-common": {"a": 1}})).pygeoapi["x-common"] == {"a": 1}


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "eo.example.org"])
def test_network_needs_permission(write: WriteFile, host: str) -> None:
    reason = mistakes(write({"serve": {"host": host}}))["prismcube.serve.host"]
    assert "no authentication" in reason
    assert "prismcube.serve.open_to_network" in reason
    assert load(write({"serve": {"host": host, "open_to_network": True}})).serve.host == host


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "localhost", "::1", "[::1]"])
def test_loopback_needs_none(host: str) -> None:
    assert is_loopback(host)


def test_password_is_never_repeated(write: WriteFile) -> None:
    reason = mistakes(write({"catalogue": {"url": "postgresql+psycopg://me:secret@host/db"}}))[
        "prismcube.catalogue.url"
    ]
    assert "secret" not in reason


@pytest.mark.parametrize(
    ("section", "name", "wrong"),
    [
        ("serve", "trusted_proxies", ["10.0.0.0/33"]),
        ("serve", "trusted_proxies", ["proxy.example.org"]),
        ("serve", "trusted_proxies", ["10.0.0.1/8"]),
        ("serve", "cors_origins", ["maps.example.org"]),
        ("serve", "cors_origins", ["https://maps.example.org/"]),
        ("limits", "client_rate", "600"),
        ("limits", "client_rate", "0/minute"),
        ("limits", "client_rate", "5/fortnight"),
        ("limits", "rate_storage", "file:///tmp/x"),
        ("jobs", "callbacks", ["10.0.0.0/33"]),
        ("jobs", "callbacks", ["https://hooks.example.org/"]),
    ],
)
def test_lists_and_rates_must_be_written_right(write: WriteFile, section: str, name: str, wrong: Any) -> None:
    assert list(mistakes(write({section: {name: wrong}}))) == [f"prismcube.{section}.{name}"]


def test_the_address_of_the_rates_is_not_repeated(write: WriteFile) -> None:
    reason = mistakes(write({"limits": {"rate_storage": "mysql://me:secret@host"}}))["prismcube.limits.rate_storage"]
    assert "secret" not in reason


def test_default_page_fits_the_greatest(write: WriteFile) -> None:
    assert "prismcube.limits.items (5)" in mistakes(write({"limits": {"items": 5}}))["prismcube.limits.default_items"]


@pytest.mark.parametrize("url", ["eo.example.org", "ftp://eo.example.org", "https://", "https://eo.example.org/?a=1"])
def test_public_url_must_be_an_address(write: WriteFile, url: str) -> None:
    assert "prismcube.serve.public_url" in mistakes(write({"serve": {"public_url": url}}))


WRONG_TYPES = {
    "path": [5, True, ["a"]],
    "text or null": [5, True, ["a"]],
    "text": [5, True, ["a"], None],
    "true or false": ["perhaps", 7, ["a"], None],
    "whole number": ["many", 1.5, True, ["a"], None, 0, -1],
    "bytes, such as 536870912 or 512 MiB": ["much", "5 parsecs", True, ["a"], None, 0],
    "list of texts": [5, True, "a", None],
    "whole number or null": ["many", 1.5, True, ["a"], 0, -1],
    "auto or rasterio": ["gdal", 5, True, None],
    "json or text": ["xml", 5, True, None],
    "debug, info, warning or error": ["loud", 5, True, None],
    "list of rules": [5, True, "a", None],
    "list of windows": [5, True, "a", None],
    "list of resources": [5, True, "a", None],
    "list of ratios": [5, True, "a", None],
    "none, local or kubernetes": ["aws", 5, True],
    "number": ["many", True, ["a"], None, 0, -1],
    "local or dask": ["celery", 5, True, None],
}

MAY_BE_ZERO = {"prismcube.jobs.pool.least"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (setting.name, value)
        for setting in describe()
        for value in WRONG_TYPES[setting.type]
        if not (value == 0 and setting.name in MAY_BE_ZERO)
    ],
)
def test_each_setting_refuses_other_types(write: WriteFile, name: str, value: Any) -> None:
    ours: Any = value
    wholes = {
        ".windows.": {"kind": "a", "tasks": 1},
        ".resources.": {"kind": "a", "resource": "b"},
        ".ratios.": {"kind": "a", "ratio": 1},
    }
    whole = next((whole for part, whole in wholes.items() if part in name), {"collections": "*"})
    for key in reversed(name.split(".")[1:]):
        ours = [{**whole, **ours}] if key == "N" else {key: ours}
    assert list(mistakes(write(ours))) == [name.replace(".N.", ".0.")]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: [", "not YAML"),
        ("- a", "keys and values"),
        ("", "keys and values"),
        ("a: ${EO_NOT_SET}", "EO_NOT_SET"),
    ],
    ids=["syntax", "list", "empty", "placeholder"],
)
def test_file_that_can_not_be_used(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "settings.yml"
    path.write_text(text)
    assert reason in mistakes(path)["file"]


def test_missing_file(tmp_path: Path) -> None:
    assert "No such file" in mistakes(tmp_path / "none.yml")["file"]


def test_section_that_is_no_section(write: WriteFile) -> None:
    assert "keys and values" in mistakes(write([1]))["prismcube"]
    assert "prismcube.serve" in mistakes(write({"serve": 5}))


# --- who may read and write what ----------------------------------------------------------------------------------

ISSUER = {"issuer": "https://id.example.org/realm", "audience": "prismcube"}


def test_nobody_is_asked_by_default(write: WriteFile) -> None:
    assert not load(write({})).access.is_configured
    assert load(write({"access": {"keys": True}})).access.is_configured
    assert load(write({"access": {"oidc": ISSUER}})).access.is_configured


@pytest.mark.parametrize("access", [{"keys": True}, {"keys": "true"}, {"oidc": ISSUER}], ids=["keys", "text", "oidc"])
def test_a_server_that_asks_may_listen_everywhere(write: WriteFile, access: Any) -> None:
    assert load(write({"access": access, "serve": {"host": "0.0.0.0"}})).serve.host == "0.0.0.0"


def test_mistakes_of_access_and_of_the_host_are_told_together(write: WriteFile) -> None:
    found = mistakes(write({"access": {"keys": False, "rules": []}, "serve": {"host": "0.0.0.0", "port": "x"}}))
    assert list(found) == ["prismcube.serve.host", "prismcube.serve.port"]
    found = mistakes(write({"access": {"keys": 3}, "serve": {"host": "0.0.0.0"}}))
    assert list(found) == ["prismcube.access.keys"]


def test_rules(write: WriteFile) -> None:
    rules = [{"collections": "s2-*", "read": ["everyone"]}, {"collections": "x", "write": ["key:a b", "group:g"]}]
    found = load(write({"access": {"keys": True, "rules": rules}})).access.rules
    assert [(one.collections, one.read, one.write) for one in found] == [
        ("s2-*", ("everyone",), ("authenticated",)),
        ("x", ("authenticated",), ("key:a b", "group:g")),
    ]


def test_access_from_the_environment(write: WriteFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRISMCUBE_ACCESS__KEYS", "true")
    monkeypatch.setenv("PRISMCUBE_ACCESS__RULES", '[{"collections": "*", "read": ["everyone"]}]')
    monkeypatch.setenv("PRISMCUBE_ACCESS__OIDC__ISSUER", ISSUER["issuer"])
    monkeypatch.setenv("PRISMCUBE_ACCESS__OIDC__ALGORITHMS", '["ES256"]')
    found = load(write({"access": {"oidc": {"audience": "prismcube", "leeway": 5}}})).access
    assert (found.keys, found.rules[0].read, found.oidc.leeway) == (True, ("everyone",), 5)
    assert (found.oidc.issuer, found.oidc.algorithms) == (ISSUER["issuer"], ("ES256",))


def test_mistake_of_a_nested_section_names_its_variable(write: WriteFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRISMCUBE_ACCESS__OIDC__LEEWAY", "long")
    assert "PRISMCUBE_ACCESS__OIDC__LEEWAY" in mistakes(write({}))["prismcube.access.oidc.leeway"]
    monkeypatch.setenv("PRISMCUBE_ACCESS__OIDC__LEEWAY", "1")
    monkeypatch.setenv("PRISMCUBE_ACCESS__OIDC__ISSUR", "x")
    assert "did you mean prismcube.access.oidc.issuer?" in mistakes(write({}))["prismcube.access.oidc.issur"]
    monkeypatch.delenv("PRISMCUBE_ACCESS__OIDC__ISSUR")
    monkeypatch.setenv("PRISMCUBE_ACCESS__RULES", "everything")
    assert "environment" in mistakes(write({}))["prismcube"]


@pytest.mark.parametrize("access", [None, {"oidc": None}, {"oidc": {}, "rules": []}])
def test_empty_access_means_defaults(write: WriteFile, access: Any) -> None:
    assert load(write({"access": access})).access.oidc.leeway == 60


@pytest.mark.parametrize(
    ("access", "name", "reason"),
    [
        ({"keys": True, "rules": [{"read": []}]}, "rules.0.collections", "required"),
        ({"keys": True, "rules": [{"collections": "a", "reed": []}]}, "rules.0.reed", "rules.N.read?"),
        ({"keys": True, "rules": [{"collections": "a\\"}]}, "rules.0.collections", "backslash"),
        ({"keys": True, "rules": [{"collections": "a", "read": ["all"]}]}, "rules.0.read", "group:NAME"),
        ({"keys": True, "rules": [{"collections": "a", "write": ["group:"]}]}, "rules.0.write", "group:NAME"),
        ({"rules": [{"collections": "a"}]}, "rules", "prismcube.access.keys"),
        ({"oidc": {"issuer": "https://id.example.org"}}, "oidc.audience", "must be set"),
        ({"oidc": ISSUER | {"issuer": "http://id.example.org"}}, "oidc.issuer", "https"),
        ({"oidc": ISSUER | {"jwks_url": "http://id.example.org/keys"}}, "oidc.jwks_url", "https"),
        ({"oidc": ISSUER | {"algorithms": ["HS256"]}}, "oidc.algorithms", "'HS256' is not one of RS256"),
        ({"oidc": ISSUER | {"algorithms": ["none"]}}, "oidc.algorithms", "'none' is not one of RS256"),
        ({"oidc": ISSUER | {"algorithms": []}}, "oidc.algorithms", "at least 1"),
        ({"oidc": ISSUER | {"leeway": 10_000}}, "oidc.leeway", "600"),
    ],
)
def test_mistakes_of_access(write: WriteFile, access: Any, name: str, reason: str) -> None:
    found = mistakes(write({"access": access}))
    assert list(found) == [f"prismcube.access.{name}"]
    assert reason in found[f"prismcube.access.{name}"]


# --- the reference ------------------------------------------------------------------------------------------------


def test_every_setting_is_described() -> None:
    settings = describe()
    assert len({setting.name for setting in settings}) == len(settings)
    for setting in settings:
        assert setting.description.endswith("."), setting.name
