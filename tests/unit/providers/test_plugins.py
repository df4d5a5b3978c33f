"""Options and errors of the providers for other pygeoapi servers."""

from __future__ import annotations

import dataclasses
import re
from http import HTTPStatus
from pathlib import Path

import pytest

from config.tree import Limits as Settings
from prismcube.errors import (
    BudgetExceeded,
    CatalogueUnavailable,
    ConfigurationError,
    InvalidInput,
    NotFound,
    PrismcubeError,
    SourceError,
    StorageFull,
    TimeExceeded,
    UnknownParameter,
)
from providers.errors import Forbidden
from providers.ogc.answer import Limits
from providers.plugins.errors import as_pygeoapi
from providers.plugins.options import DEFAULT_LIMITS, DEFAULT_SECONDS, Options
from server.problems import problem_of

HOW_TO = Path(__file__).resolve().parents[3] / "docs" / "how-to" / "use-in-pygeoapi.md"

ERRORS = [
    InvalidInput("bbox", "must be four numbers"),
    UnknownParameter("z", known=("f",)),
    NotFound("item", 7),
    Forbidden("a plan names files"),
    BudgetExceeded("pixels", asked=2, allowed=1, advice="ask for less"),
    TimeExceeded(100),
    SourceError("s3://secret/place/a.tif", "no such key"),
    StorageFull("the folder /secret is full"),
    CatalogueUnavailable("connection to secret refused"),
    ConfigurationError("secret.yml", [("url", "is wrong")]),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_errors_have_the_status_that_our_own_server_gives(error: PrismcubeError) -> None:
    theirs = as_pygeoapi(error)
    assert theirs.http_status_code == HTTPStatus(problem_of(error)[0])
    assert "secret" not in theirs.message
    if isinstance(error, InvalidInput | NotFound | BudgetExceeded | TimeExceeded):
        assert theirs.message == str(error)


def test_every_limit_has_the_default_of_our_own_server() -> None:
    names = [one.name for one in dataclasses.fields(Limits)]
    assert {name: int(Settings.model_fields[name].default) for name in names} == DEFAULT_LIMITS
    assert Settings.model_fields["seconds"].default == DEFAULT_SECONDS


@pytest.mark.parametrize("option", dataclasses.fields(Options), ids=lambda option: option.name)
def test_every_option_is_in_the_documentation(option: dataclasses.Field[object]) -> None:
    rows = re.findall(r"^\| `(\w+)` \| .+? \| (.+?) \|$", HOW_TO.read_text(encoding="utf-8"), re.MULTILINE)
    assert (option.name, option.metadata["says"]) in rows


def test_every_limit_is_in_the_documentation() -> None:
    text = HOW_TO.read_text(encoding="utf-8")
    assert [name for name in DEFAULT_LIMITS if f"`{name}`" not in text] == []


@pytest.mark.parametrize(
    ("values", "named"),
    [
        (None, "options"),
        ({}, "home"),
        ({"home": "/srv", "colour": 1}, "colour"),
        ({"home": "/srv", "limits": {"answers": 1}}, "limits.answers"),
        ({"home": "/srv", "limits": {"slices": "many"}}, "limits.slices"),
        ({"home": "/srv", "limits": {"slices": True}}, "limits.slices"),
        ({"home": "/srv", "limits": [1]}, "limits"),
        ({"home": "/srv", "parameters": "mosaic"}, "parameters"),
        ({"home": "/srv", "seconds": 0}, "seconds"),
    ],
)
def test_a_wrong_option_is_named(values: object, named: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Options.of(values)
    assert [name for name, _ in caught.value.mistakes] == [named]


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Options.of({"colour": 1, "seconds": -1})
    assert [name for name, _ in caught.value.mistakes] == ["colour", "home", "seconds"]


def test_options_say_where_the_catalogue_is() -> None:
    assert Options.of({"home": "/srv/cube"}).url == "sqlite:////srv/cube/catalogue.sqlite"
    assert Options.of({"home": "/srv/cube"}).temporary == Path("/srv/cube/tmp")
    assert Options.of({"home": "/srv", "catalogue": "postgresql://eo@db/eo"}).url == "postgresql://eo@db/eo"
    assert Options.of({"home": "/srv", "limits": {"slices": 7}}).limits.slices == 7
    assert Options.of({"home": "/srv", "zoom": {}}, others=("zoom",)).seconds == DEFAULT_SECONDS
