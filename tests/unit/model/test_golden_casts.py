"""The casts of the original Geocube's own tests, pixel by pixel, through ValueMapping and cast alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from prismcube.model.formats import DataFormat, ValueMapping, cast

EQUAL = [(0, 8), (0, 1), (0, 2), (0, 4), (4, 0), (5, 6), (5, 7)]
DIFFERENT = [(0, 3), (0, 5)]
FORMATS = {"nan": float("nan"), "nan (none)": None}


@pytest.fixture(scope="module")
def folder(shared_data: Path) -> Path:
    return shared_data / "geocube-tutorial-32UNG-2019" / "server-expected"


@pytest.fixture(scope="module")
def golden(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "golden.json").read_text())


def describe(document: dict[str, Any]) -> tuple[DataFormat, ValueMapping]:
    nodata = FORMATS.get(document["nodata"], document["nodata"])
    mapping = ValueMapping(
        imin=document["min"],
        imax=document["max"],
        emin=document["ext_min"],
        emax=document["ext_max"],
        exponent=document["exponent"],
    )
    return DataFormat(dtype=document["dtype"], nodata=nodata), mapping


def images(folder: Path, golden: dict[str, Any], source: int, target: int) -> tuple[Any, Any, Any, Any]:
    """(what we make, what is expected, where the source is valid, its real values)"""
    from_format, from_mapping = describe(golden["mappings"][f"image_cast{source}"])
    to_format, to_mapping = describe(golden["mappings"][f"image_cast{target}"])
    with rasterio.open(folder / f"image_cast{source}.tif") as file:
        stored = file.read(1)
    with rasterio.open(folder / f"image_cast{target}.tif") as file:
        expected = file.read(1)
    valid = from_format.valid(stored)
    real = from_mapping.external(stored)
    return cast(to_mapping.internal(real), valid, to_format), expected, valid, real


def test_all_pairs_are_here(golden: dict[str, Any]) -> None:
    pairs = {(int(a[-1]), int(b[-1])) for a, b in golden["casts"]}
    assert pairs == {*EQUAL, *DIFFERENT}


@pytest.mark.parametrize(("source", "target"), EQUAL)
def test_equal_to_the_last_count(folder: Path, golden: dict[str, Any], source: int, target: int) -> None:
    made, expected, valid, _ = images(folder, golden, source, target)
    if target == 8:  # has no nodata: the original copies the source's -10001, we hand out 0; neither means anything
        assert (made[~valid] == 0).all()
        assert (expected[~valid] == -10001).all()
        made, expected = made[valid], expected[valid]
    assert np.array_equal(made, expected, equal_nan=expected.dtype.kind == "f")


def test_values_beyond_the_range_are_clamped_where_the_original_lost_them(folder: Path, golden: dict[str, Any]) -> None:
    made, expected, valid, real = images(folder, golden, 0, 3)
    lost = valid & (expected == 255)
    assert lost.sum() == 11_705
    assert (real[lost] > 0.5).all()
    assert (made[lost] == 254).all()  # not 255, which is nodata
    assert np.array_equal(made[~lost], expected[~lost])


def test_plain_clamping_differs_by_one_on_the_same_pixels(folder: Path, golden: dict[str, Any]) -> None:
    made, expected, valid, real = images(folder, golden, 0, 5)
    _, mapping = describe(golden["mappings"]["image_cast5"])
    clamped = np.where(valid, np.clip(np.rint(mapping.internal(real)), 0, 255), 255).astype(np.uint8)
    _, other, _, _ = images(folder, golden, 0, 3)
    differs = clamped != expected
    assert np.array_equal(differs, valid & (other == 255))
    assert (clamped[differs] == 255).all()
    assert (expected[differs] == 254).all()
    assert np.array_equal(made, expected)  # since `cast` never makes a valid value nodata
