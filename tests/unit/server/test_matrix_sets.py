"""The folder of tile matrix sets of one's own is checked before a server begins."""

import json

import morecantile
import pytest

from prismcube.errors import ConfigurationError
from prismcube.model.tilematrix import standard_sets
from server.matrix_sets import read_matrix_sets


def test_without_a_folder_there_are_those_of_the_server():
    assert read_matrix_sets(None).keys() == standard_sets().keys()


def test_every_mistake_of_every_file_is_told(tmp_path):
    (tmp_path / "a.json").write_text("{")
    (tmp_path / "b.json").write_text(morecantile.tms.get("GNOSISGlobalGrid").model_dump_json(exclude_none=True))
    (tmp_path / "c.json").write_text(morecantile.tms.get("WebMercatorQuad").model_dump_json(exclude_none=True))
    with pytest.raises(ConfigurationError) as caught:
        read_matrix_sets(str(tmp_path))
    told = dict(caught.value.mistakes)
    assert "is not JSON" in told["a.json"]
    assert "not supported" in told["b.json"]
    assert "already" in told["c.json"]


def test_a_good_one_is_added(tmp_path):
    document = json.loads(morecantile.tms.get("NZTM2000Quad").model_dump_json(exclude_none=True))
    (tmp_path / "own.json").write_text(json.dumps({**document, "id": "Mine"}))
    assert read_matrix_sets(str(tmp_path))["Mine"].crs == "EPSG:2193"


def test_a_folder_that_is_none(tmp_path):
    with pytest.raises(ConfigurationError, match="is not a folder"):
        read_matrix_sets(str(tmp_path / "gone"))
