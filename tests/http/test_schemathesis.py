"""Schemathesis over our own OpenAPI document: what it describes is what the server does, whatever is asked.

Half of the cases are well-formed as the schemas say, half are broken on purpose. Schemas can't say which collections
and times there are, so the values of well-formed cases are taken from the catalogue; then they must succeed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import negative_data_rejection, unsupported_method

CASES = 10
"""Of each kind for each operation."""
SUCCEED = 0.3
"""Part of the requests of an operation that reads, at least."""

SIZES = ("resolution", "scale-factor", "scale-axes", "scale-size", "scaleSize")

EXCLUDING = (
    ("subset", "bbox", "bbox-crs"),
    ("subset-crs", "bbox", "bbox-crs"),
    ("subset", "datetime"),
    *((SIZES[at], *SIZES[at + 1 :], "width", "height") for at in range(len(SIZES))),
    ("properties", "exclude-properties"),
    ("center", "bbox", "bbox-crs", "subset", "subset-crs"),
    ("scale-denominator", "width", "height"),
    ("resolution-x", "width"),
    ("aoi", "bbox"),
    ("parameter-name", "parameter_names"),
)
"""Of each row, the first that a request names leaves no room for the others."""
NEEDING = {"bbox-crs": "bbox", "subset-crs": "subset"}
CURSORS = {"after", "before"}
"""Only links tell their values."""
CATALOGUE = {
    "ids": "1", "name": "*", "tags": ["constellation:*"], "datetime": "2016", "bbox": "22,45,23,46", "variable": "1",
    "instance": "1", "aoi": "1", "uri": "*", "managed": "false", "layout": "one", "records": "1", "instances": "1",
    "containers": "1", "status": "active", "job": "none",
}  # fmt: skip
"""Values of the filters of `/catalogue`."""

SETTINGS = settings(
    max_examples=CASES,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


class Target:
    """A server, its operations, and values that exist on it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.document = httpx.get(f"{url}/openapi", timeout=60).json()
        self.schema = schemathesis.openapi.from_dict(self.document)
        self._examples = {
            (path, one["name"]): text_of(one["example"])
            for path, methods in self.document["paths"].items()
            for one in methods.get("get", {}).get("parameters", ())
            if "example" in one
        }

    def operations(self, wanted: Callable[[str, str], bool]) -> list[Any]:
        found = [result.ok() for result in self.schema.get_all_operations()]
        return [one for one in found if wanted(one.method.upper(), one.path)]

    def fill(self, case: Any) -> None:
        """Puts values that exist in the place of made up ones, and leaves out what excludes another."""
        for name in case.path_parameters or {}:
            case.path_parameters[name] = self.value(case.path, name, case.path_parameters[name])
        query = dict(case.query or {})
        for name in CURSORS & query.keys():
            del query[name]
        for name, needed in NEEDING.items():
            if name in query:
                query.setdefault(needed, None)
        for first, *others in EXCLUDING:
            if first in query:
                query = {name: value for name, value in query.items() if name not in others}
        case.query = {
            name: value
            for name, given in query.items()
            if (value := self.value(case.path, name, given)) is not None and (given != "plan" or name != "f")
        }

    def value(self, path: str, name: str, given: Any) -> Any:
        """A value for a parameter; the one given where the schema says enough, or where there is no better."""
        if name == "lang":
            return "en"
        if (path, name) in self._examples:
            return self._examples[path, name]
        if path.startswith("/catalogue") and name in ("id", "name") and f"{{{name}}}" in path:
            return "s2-romania" if name == "name" else "1"
        return CATALOGUE.get(name, given) if path.startswith("/catalogue") else given


def text_of(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


@pytest.fixture(scope="module")
def target(demo):
    return Target(demo.url)


@pytest.fixture(scope="module")
def scratch(start, tmp_path_factory, furnish):
    """A server of its own, whose catalogue may be changed."""
    with start(tmp_path_factory.mktemp("scratch") / "home", "demo") as server:
        furnish(server.url)
        yield Target(server.url)


def statuses_of(target: Target, operation: Any) -> Counter[int]:
    """The statuses that well-formed and broken requests got; every check has passed for each."""
    statuses: Counter[int] = Counter()

    @SETTINGS
    @given(case=operation.as_strategy(generation_mode=GenerationMode.POSITIVE))
    def well_formed(case: Any) -> None:
        target.fill(case)
        statuses[call(case, [unsupported_method])] += 1

    @SETTINGS
    @given(case=operation.as_strategy(generation_mode=GenerationMode.NEGATIVE))
    def broken(case: Any) -> None:
        statuses[call(case, [unsupported_method, negative_data_rejection])] += 1

    def call(case: Any, excluded: list[Any]) -> int:
        return case.call_and_validate(base_url=target.url, excluded_checks=excluded, timeout=60).status_code

    well_formed()
    with suppress(Unsatisfiable):  # nothing that can be sent is against the schema: any text is a name
        broken()
    return statuses


def test_the_api_does_what_it_says(target):
    for operation in target.operations(lambda method, path: not path.startswith("/catalogue")):
        statuses = statuses_of(target, operation)
        good = sum(count for status, count in statuses.items() if status < 300)
        assert good >= SUCCEED * statuses.total(), (operation.label, statuses)


def test_reading_the_catalogue_does_what_it_says(scratch):
    for operation in scratch.operations(lambda method, path: path.startswith("/catalogue") and method == "GET"):
        statuses = statuses_of(scratch, operation)
        good = sum(count for status, count in statuses.items() if status < 300)
        assert good >= SUCCEED * statuses.total(), (operation.label, statuses)
