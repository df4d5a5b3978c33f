"""What jobs of one task are asked to do to an archive, and what is there when it is done: once, however often tried.

`echo` gives back a word. `index` and `register` bring copies of two sources into the catalogue, as a variable of their
own that a collection shows. `tidy` removes a record that nothing refers to. `update-mapping` has all values doubled.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prismcube.model.entities import Record

COPIES = 2
ADDS = {"index": COPIES, "register": COPIES}
"""Datasets that are there afterwards and were not before."""
VARIABLES = {"w": {"bands": ["b"], "dtype": "uint16", "nodata": 0}}
SHOWN = {"copies": {"fields": {"b": {"instance": "w/i"}}}}
DATASETS = [{"instance": "w/i", "bands": [1]}]
IDLE = Record(name="idle", time=datetime(2020, 1, 1, tzinfo=UTC))


def inputs(bench: Any, process: str) -> dict[str, Any]:
    """Lays out what the job works on."""
    match process:
        case "echo":
            return {"stringInput": "word"}
        case "index":
            return {"files": [str(_copies(bench))], "mapping": _rules(files=[_FILES])}
        case "register":
            items = {"items": [{"assets": [{"key": "red", "datasets": DATASETS}]}]}
            return {"sources": [_items(_copies(bench))], "mapping": _rules(**items)}
        case "tidy":
            bench.catalogue.records.create(IDLE)
            return {"kinds": ["records"]}
        case _:
            doubled = {"imin": 0, "imax": 1, "emin": 0, "emax": 2}
            return {"instance": "v/i", "format": {"dtype": "uint16", "nodata": 0}, "mapping": doubled}


_FILES = {"pattern": r"(?P<name>N\d)_(?P<date>\d{8})\.tif", "record": "{name}", "time": "{date}", "datasets": DATASETS}


def _rules(**found: Any) -> dict[str, Any]:
    return {"variables": VARIABLES, **found, "collections": SHOWN}


def _copies(bench: Any) -> Path:
    """A folder with those of the first sources."""
    folder: Path = bench.folder / "copies"
    folder.mkdir()
    for day, source in enumerate(sorted(bench.sources.iterdir())[:COPIES]):
        shutil.copy(source, folder / f"N{day}_2021010{1 + day}.tif")
    return folder


def _items(folder: Path) -> str:
    """A document that has an item for each file of a folder."""
    features = [
        {
            "type": "Feature",
            "stac_version": "1.0.0",
            "id": path.name[:2],
            "geometry": None,
            "properties": {"datetime": f"2021-01-0{1 + day}T00:00:00Z"},
            "links": [],
            "assets": {"red": {"href": str(path)}},
        }
        for day, path in enumerate(sorted(folder.iterdir()))
    ]
    document = folder.with_suffix(".json")
    document.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return str(document)


def check(bench: Any, process: str, results: Mapping[str, Any], *, done: bool) -> None:
    """Beside what all jobs have in common; `done`: its task came to where it has had its effect."""
    names = Counter(one.name for one in bench.catalogue.records.list(limit=1000))
    assert set(names.values()) == {1}
    new = {"N0", "N1"} if process in ADDS and done else set()
    idle = {"idle"} if process == "tidy" and not done else set()
    assert names.keys() - {"R0", "R1", "R2"} == new | idle
    assert [one.name for one in bench.catalogue.collections.list()] == (["c", "copies"] if new else ["c"])
    files = [one.uri for one in bench.catalogue.containers.list() if "/copies/" in one.uri]
    assert sorted(files) == (sorted(path.as_uri() for path in (bench.folder / "copies").iterdir()) if new else [])
    if not results:  # it was cancelled
        return
    match process:
        case "echo":
            assert results == {"stringOutput": "word"}
        case "index" | "register":  # how many are new depends on what an attempt has found
            assert results["created"] + results["unchanged"] == COPIES
            assert (results["updated"], results["failed"], results["collections"]) == (0, 0, ["copies"])


def expected(cube: Mapping[Any, Any], process: str, *, done: bool) -> Mapping[Any, Any]:
    """What readers see where they saw this cube before."""
    if process != "update-mapping" or not done:
        return cube
    return {key: (2 * values, valid) for key, (values, valid) in cube.items()}


def of_copies(cube: Mapping[Any, Any]) -> Mapping[Any, Any]:
    """What they see of the copies where they see this of the sources."""
    return {(f"N{day}",): cube[f"R{day}",] for day in range(COPIES)}
