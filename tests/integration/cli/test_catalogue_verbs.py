"""`prismcube catalogue` and `prismcube tidy`, as one types them."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from server.cli import app
from tests import commands

ROOT = Path(__file__).resolve().parents[3]
SQUARE = {"type": "Polygon", "coordinates": [[[10, 50], [11, 50], [11, 51], [10, 51], [10, 50]]]}
VARIABLE = {"name": "v", "bands": ["a"], "format": {"dtype": "uint8", "nodata": 0}}
GRID = {"kind": "regular", "crs": "EPSG:32632", "resolution": 100, "cell_width": 512, "cell_height": 512}


@pytest.fixture
def type_in(tmp_path, monkeypatch, capsys):
    """Runs `prismcube WORDS` in this process; gives (exit code, what it printed, its complaints)."""

    def run(*words, document=None):
        given = b"" if document is None else json.dumps(document).encode()
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given)))
        monkeypatch.setattr(sys, "argv", ["prismcube", *map(str, words), "--home", str(tmp_path / "home")])
        monkeypatch.setenv("COLUMNS", "200")
        with pytest.raises(SystemExit) as ended:
            app()
        printed = capsys.readouterr()
        return ended.value.code, printed.out, printed.err

    return run


@pytest.fixture
def tell(type_in):
    """Runs a command that must succeed; gives the JSON it printed."""

    def run(*words, document=None):
        code, text, complaint = type_in(*words, document=document)
        assert code == 0, complaint
        return json.loads(text)

    return run


def test_an_entity_from_its_birth_to_its_end(tell, type_in, tmp_path):
    made = tell("catalogue", "create", "variables", document=VARIABLE)
    changed = tell("catalogue", "update", "variables", made["id"], document={"unit": "m"})
    assert changed == {**made, "unit": "m"}
    whole = tmp_path / "whole.json"
    whole.write_text(json.dumps({**VARIABLE, "description": "d"}))
    replaced = tell("catalogue", "update", "variables", made["id"], whole, "--replace")
    assert replaced == {**made, "description": "d"}
    assert tell("catalogue", "get", "variables", made["id"]) == replaced
    code, _, complaint = type_in("catalogue", "update", "variables", made["id"], "--if-match", '"x"', document={})
    assert (code, "changed since it was read" in complaint) == (1, True)
    assert tell("catalogue", "delete", "variables", made["id"]) == {"deleted": [made["id"]], "kept": []}
    code, _, complaint = type_in("catalogue", "get", "variables", made["id"])
    assert (code, complaint.strip()) == (1, f"error: no variable {made['id']}")


def test_lists_are_filtered_and_cut(tell, type_in):
    names = ["a1", "a2", "b1"]
    records = [{"name": name, "time": "2020-01-01", "tags": {"k": name}} for name in names]
    ids = tell("catalogue", "create", "records", document=records)["ids"]

    def listed(*words):
        code, text, complaint = type_in("catalogue", "list", "records", *words)
        assert code == 0, complaint
        return [json.loads(line)["id"] for line in text.splitlines()]

    assert listed() == ids
    assert listed("--limit", "2") == ids[:2]
    assert listed("--where", "name=a*") == ids[:2]
    assert listed("--where", "name=a*", "--where", "tags=k:?2") == ids[1:2]
    code, _, complaint = type_in("catalogue", "list", "records", "--where", "colour=red")
    assert (code, "colour" in complaint) == (1, True)
    code, _, complaint = type_in("catalogue", "list", "records", "--where", "name")
    assert (code, "name=value" in complaint) == (1, True)


def test_deletion_names_what_stays(tell, type_in):
    variable = tell("catalogue", "create", "variables", document=VARIABLE)["id"]
    instance = tell("catalogue", "create", "instances", document={"variable": variable, "name": "i"})["id"]
    code, _, complaint = type_in("catalogue", "delete", "variables", variable)
    assert (code, "1 instance refers to it" in complaint) == (1, True)
    kept = tell("catalogue", "delete", "variables", variable, "--keep-referenced")
    assert kept == {"deleted": [], "kept": [{"id": variable, "reason": "1 instance refers to it"}]}
    assert tell("catalogue", "delete", "instances", instance)["deleted"] == [instance]


def test_operations_tiles_and_layouts(tell, type_in, tmp_path):
    ids = tell("catalogue", "create", "records", document=[{"name": "r", "time": "2020-01-01"}])["ids"]
    told = tell("catalogue", "run", "records/tags", document={"ids": ids, "add": {"k": "v"}})
    assert told == {"added": 1, "removed": 0}
    code, _, complaint = type_in("catalogue", "run", "records/nothing", document={})
    assert (code, "records/tags" in complaint) == (1, True)
    tell("catalogue", "create", "layouts", document={"name": "l", "grid": GRID, "max_records": 1})
    area = tmp_path / "area.geojson"
    area.write_text(json.dumps(SQUARE))
    code, text, complaint = type_in("catalogue", "tiles", "l", area)
    assert code == 0, complaint
    assert {json.loads(line)["type"] for line in text.splitlines()} == {"Feature"}
    assert tell("catalogue", "layouts", "--where", "managed=true") == {"layouts": []}


def test_tidying_up(tell, type_in):
    tell("catalogue", "create", "aois", document={"geometry": SQUARE})
    for option, line in (("--simulate", "would remove 1 aois"), ("--kind=aois", "removed 1 aois")):
        code, text, _ = type_in("tidy", option)
        assert code == 0
        assert line in text.splitlines()
    code, text, _ = type_in("tidy")
    assert (code, "removed 0 aois" in text) == (0, True)


def test_kinds_and_schemas():
    def words(*some):
        return commands.run("catalogue", *some).stdout

    assert "consolidation-params" in words("kinds")
    assert json.loads(words("schema", "variables"))["required"] == ["name", "bands", "format"]


def test_a_file_that_is_not_there(type_in):
    code, _, complaint = type_in("catalogue", "create", "variables", "/nowhere.json")
    assert (code, "/nowhere.json: No such file" in complaint) == (1, True)
