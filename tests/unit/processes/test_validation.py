"""Inputs against the schemas of a process."""

from __future__ import annotations

from typing import Any

import pytest

from prismcube.errors import InvalidInput
from prismcube.jobs.references import NotFetched
from prismcube.model.values import DEEPEST
from processes.echo import PROCESS
from processes.process import Inputs
from processes.validation import checked_inputs as checked


def unfollowed(link: Any) -> Any:
    raise AssertionError(link)


def checked_inputs(process: Any, given: object, follow: Any = unfollowed) -> Inputs:
    return checked(process, given, follow=follow)


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = {"a": value}
    return value


def test_examples_are_taken_and_defaults_filled_in() -> None:
    examples = {name: one.example for name, one in PROCESS.inputs.items()}
    assert checked_inputs(PROCESS, examples) == examples
    assert checked_inputs(PROCESS, {}) == {"doubleInput": 5, "pause": 0, "fail": "no"}


def test_long_texts_that_are_no_base64_are_refused_soon() -> None:
    """Half a megabyte of them; a pattern that looks back would take an hour."""
    for text in ("A" * 500_000 + "!", " " * 500_000 + "!", "=" * 500_000 + "!"):
        with pytest.raises(InvalidInput, match=r"inputs\.imagesInput"):
            checked_inputs(PROCESS, {"imagesInput": text})
    assert checked_inputs(PROCESS, {"imagesInput": "SUkqAA==\n"})["imagesInput"] == "SUkqAA==\n"


@pytest.mark.parametrize("depth", [DEEPEST, 1_000, 100_000])
def test_what_is_nested_too_deeply_is_refused(depth: int) -> None:
    """It would end the processes that tasks are handed to."""
    with pytest.raises(InvalidInput, match=r"inputs\.complexObjectInput: is nested more than"):
        checked_inputs(PROCESS, {"complexObjectInput": nested(depth)})
    assert checked_inputs(PROCESS, {"complexObjectInput": nested(DEEPEST - 1)})


@pytest.mark.parametrize("value", [10**400, -(10**400), float("nan"), float("inf"), [1, 10**4000]])
def test_numbers_that_could_not_be_read_again_are_refused(value: Any) -> None:
    """They would stop whoever claims tasks. Those of requests are refused where these are parsed."""
    for name, given in (("arrayInput", [1, value, 2]), ("complexObjectInput", {"property3": value})):
        with pytest.raises(InvalidInput, match=rf"inputs\.{name}: has a number"):
            checked_inputs(PROCESS, {name: given})
    assert checked_inputs(PROCESS, {"complexObjectInput": {"property3": 10**300}})


@pytest.mark.parametrize("value", ["a\0b", {"a\0": 1}, {"a": [{"b": "\0"}]}, "\ud800"])
def test_what_no_database_keeps_is_refused(value: Any) -> None:
    """By the command line too, which has no HTTP in between."""
    name = "stringInput" if isinstance(value, str) else "complexObjectInput"
    with pytest.raises(InvalidInput) as raised:
        checked_inputs(PROCESS, {name: value})
    assert raised.value.parameter == f"inputs.{name}"


def test_links_stand_for_what_lies_there() -> None:
    point = {"type": "Point", "coordinates": [1, 2]}
    there = {
        "http://a/point": point,
        "http://a/text": "text",
        "http://a/bad": {"type": "Point"},
        "http://a/nul": "a\0b",
    }

    def follow(link: Any) -> Any:
        try:
            return there[link["href"]]
        except KeyError:
            raise NotFetched("status 404") from None

    given = {
        "stringInput": {"href": "http://a/text", "type": "text/plain"},
        "geometryInput": [{"href": "http://a/point", "rel": "item"}, point],
        "imagesInput": {"href": "http://a/image", "type": "image/png"},  # is a link itself
        "complexObjectInput": {"href": "not a link alone", "property1": "a"},
    }
    found = checked_inputs(PROCESS, given, follow)
    assert found["stringInput"] == "text"
    assert found["geometryInput"] == [point, point]
    assert {name: found[name] for name in ("imagesInput", "complexObjectInput")} == {
        name: given[name] for name in ("imagesInput", "complexObjectInput")
    }
    for name, value, told in [
        ("stringInput", {"href": "http://a/none?key=secret"}, r"inputs\.stringInput: .* http://a/none: status 404"),
        ("geometryInput", [point, {"href": "http://a/none"}], r"inputs\.geometryInput\[1\]: can't be fetched"),
        ("geometryInput", {"href": "http://a/bad"}, r"inputs\.geometryInput: "),
        ("stringInput", {"href": "http://a/nul"}, r"inputs\.stringInput: "),
    ]:
        with pytest.raises(InvalidInput, match=told) as raised:
            checked_inputs(PROCESS, {name: value}, follow)
        assert "secret" not in str(raised.value)
