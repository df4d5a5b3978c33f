"""Tile matrix sets, held against morecantile where it knows the same."""

import morecantile
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prismcube.errors import InvalidInput
from prismcube.model.grid import Bounds
from prismcube.model.tilematrix import TileMatrixSet, standard_sets

OWN = {
    "id": "Own",
    "crs": "http://www.opengis.net/def/crs/EPSG/0/3035",
    "orderedAxes": ["Y", "X"],
    "tileMatrices": [
        {
            "id": "0",
            "scaleDenominator": 357142.857,
            "cellSize": 100.0,
            "cornerOfOrigin": "bottomLeft",
            "pointOfOrigin": [2_500_000, 5_200_000],
            "tileWidth": 512,
            "tileHeight": 300,
            "matrixWidth": 4,
            "matrixHeight": 3,
        }
    ],
}


def levels():
    return [(name, level) for name, one in standard_sets().items() for level in one.matrices]


@given(st.sampled_from(levels()), st.floats(0, 0.999999), st.floats(0, 0.999999))
def test_tiles_lie_where_morecantile_has_them(level, down, across):
    name, z = level
    matrix = standard_sets()[name].matrices[z]
    row, col = int(matrix.height * down), int(matrix.width * across)
    grid = matrix.grid(standard_sets()[name].crs, row, col)
    expected = morecantile.tms.get(name).xy_bounds(morecantile.Tile(col, row, int(z)))
    assert grid.bounds.as_tuple() == pytest.approx(tuple(expected), rel=1e-12, abs=1e-6)
    assert grid.shape == (matrix.tile_height, matrix.tile_width)


@given(st.sampled_from(levels()), st.floats(0, 0.999999), st.floats(0, 0.999999))
def test_a_tiles_own_box_touches_that_tile_only(level, down, across):
    name, z = level
    matrix = standard_sets()[name].matrices[z]
    row, col = int(matrix.height * down), int(matrix.width * across)
    limits = matrix.touching(matrix.grid(standard_sets()[name].crs, row, col).bounds)
    assert (limits.first_row, limits.last_row, limits.first_col, limits.last_col) == (row, row, col, col)
    assert limits.holds(row, col)


def test_rows_may_count_from_below():
    matrix = TileMatrixSet.from_json(OWN).matrices["0"]
    lowest, highest = matrix.grid("EPSG:3035", 0, 0).bounds, matrix.grid("EPSG:3035", 2, 3).bounds
    assert lowest == Bounds(5_200_000, 2_500_000, 5_251_200, 2_530_000)
    assert highest == Bounds(5_353_600, 2_560_000, 5_404_800, 2_590_000)
    assert matrix.bounds == Bounds(5_200_000, 2_500_000, 5_404_800, 2_590_000)
    limits = matrix.touching(Bounds(5_200_001, 2_531_000, 5_260_000, 2_532_000))
    assert (limits.first_row, limits.last_row, limits.first_col, limits.last_col) == (1, 1, 0, 1)


def test_a_box_beside_touches_nothing():
    assert TileMatrixSet.from_json(OWN).matrices["0"].touching(Bounds(0, 0, 1, 1)) is None


def test_sets_with_rows_of_fewer_tiles_are_not_offered():
    variable = {name for name in morecantile.tms.list() if morecantile.tms.get(name).is_variable}
    assert variable
    assert set(standard_sets()) == set(morecantile.tms.list()) - variable


def test_a_set_does_not_go_by_the_address_of_another():
    assert standard_sets()["WGS1984Quad"].uri is None  # morecantile gives it that of WorldCRS84Quad
    assert standard_sets()["WebMercatorQuad"].uri == (
        "http://www.opengis.net/def/tilematrixset/OGC/1.0/WebMercatorQuad"
    )


def changed(**members):
    return {**OWN, "tileMatrices": [{**OWN["tileMatrices"][0], **members}]}


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ([], "valid dictionary"),
        ({**OWN, "id": "a/b"}, "id"),
        ({**OWN, "crs": "http://www.opengis.net/def/crs/EPSG/0/999999"}, "crs"),
        ({key: value for key, value in OWN.items() if key != "tileMatrices"}, "tileMatrices"),
        (changed(tileWidth=8192), "at most 4096"),
        (changed(cellSize=0), "must be positive"),
        (changed(cellSize=float("nan")), "must be positive"),
        (changed(id="fine"), "id"),
        (changed(variableMatrixWidths=[{"coalesce": 2, "minTileRow": 0, "maxTileRow": 0}]), "not supported"),
        ({**OWN, "tileMatrices": OWN["tileMatrices"] * 2}, "distinct"),
        ({"identifier": "x", "supportedCRS": "EPSG:4326", "tileMatrix": []}, "version 1"),
    ],
)
def test_what_is_refused(document, words):
    with pytest.raises(InvalidInput, match=words):
        TileMatrixSet.from_json(document)
