"""Consolidation settings: what they promise is what GDAL writes, and contradictions are refused."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st
from rasterio.io import MemoryFile

from prismcube.errors import InvalidInput
from prismcube.model.consolidation import (
    CODECS,
    CREATION_OPTIONS,
    Compression,
    ConsolidationParams,
    StorageClass,
    format_from_json,
    format_to_json,
    overview_resampling,
)
from prismcube.model.entities import RESAMPLINGS
from prismcube.model.formats import DTYPES, DataFormat, ValueMapping

RANGE: dict[str, Any] = {"minimum": 0, "maximum": 100}


@st.composite
def settings_(draw: st.DrawFn) -> ConsolidationParams:
    dtype = draw(st.sampled_from(DTYPES))
    nodata = draw(st.sampled_from([None, 0.0, 100.0, *([math.nan] if dtype.startswith("float") else [])]))
    compression = draw(st.sampled_from(Compression))
    options: dict[str, str] = {}
    if compression is Compression.CUSTOM:
        options["COMPRESS"] = draw(st.sampled_from(sorted(set(CODECS) - {"JPEG"})))
    if compression is Compression.LOSSLESS and draw(st.booleans()):
        options["ZSTD_LEVEL"] = str(draw(st.integers(1, 22)))
    return ConsolidationParams(
        format=DataFormat(dtype=dtype, nodata=nodata, **RANGE),
        exponent=draw(st.floats(0.1, 5)),
        resampling=draw(st.sampled_from(RESAMPLINGS)),
        overview_resampling=draw(st.sampled_from(["", *RESAMPLINGS])),
        compression=compression,
        max_error=draw(st.floats(1e-6, 0.5)),
        creation_options=options,
        storage_class=draw(st.sampled_from(StorageClass)),
    )


@given(params=settings_())
def test_json_round_trip(params: ConsolidationParams) -> None:
    document = params.to_json()
    found = ConsolidationParams.from_json(json.loads(json.dumps(document, allow_nan=False)))
    assert found.to_json() == document
    if params.format.nodata is None or not math.isnan(params.format.nodata):
        assert found == params


@pytest.mark.parametrize("nodata", [None, 0.0, math.nan])
def test_json_of_formats(nodata: float | None) -> None:
    one = DataFormat(dtype="float32", nodata=nodata, minimum=-1, maximum=1)
    found = format_from_json(json.loads(json.dumps(format_to_json(one), allow_nan=False)))
    assert found.stores_like(one)
    assert (found.minimum, found.maximum) == (-1, 1)


@pytest.mark.parametrize(
    ("resampling", "overviews"),
    [
        pytest.param("nearest", "nearest", id="counts stay counts"),
        pytest.param("mode", "mode", id="classes stay classes"),
        *(pytest.param(name, "average", id=f"{name} is smooth") for name in ("bilinear", "cubic", "cubic_spline")),
        pytest.param("lanczos", "average", id="lanczos is smooth"),
        *((name, name) for name in ("average", "max", "min", "med", "q1", "q3", "sum", "rms")),
    ],
)
def test_resampling_of_overviews(resampling: str, overviews: str) -> None:
    assert overview_resampling(resampling) == overviews
    params = ConsolidationParams(format=DataFormat(dtype="uint8"), resampling=resampling)
    assert params.resampling_of_overviews == overviews


def test_resampling_of_overviews_may_be_said() -> None:
    params = ConsolidationParams(format=DataFormat(dtype="uint8"), resampling="cubic", overview_resampling="nearest")
    assert params.resampling_of_overviews == "nearest"


def test_the_table_knows_every_resampling() -> None:
    assert {overview_resampling(name) for name in RESAMPLINGS} <= set(RESAMPLINGS)


def _params(dtype: str, compression: str, **options: Any) -> ConsolidationParams:
    form = DataFormat(dtype=dtype, **({"nodata": None} | RANGE | options.pop("format", {})))
    return ConsolidationParams(format=form, compression=Compression(compression), **options)


@pytest.mark.parametrize(
    ("params", "options"),
    [
        (_params("uint8", "none"), {"COMPRESS": "NONE"}),
        (_params("int16", "lossless"), {"COMPRESS": "ZSTD", "ZSTD_LEVEL": "1", "PREDICTOR": "2"}),
        (_params("float64", "lossless"), {"COMPRESS": "ZSTD", "ZSTD_LEVEL": "1", "PREDICTOR": "3"}),
        (
            _params("float32", "lossy", max_error=0.01),
            {"COMPRESS": "LERC_ZSTD", "ZSTD_LEVEL": "1", "MAX_Z_ERROR": "1.0"},
        ),
        (
            _params("float32", "lossy", max_error=0.01, format={"maximum": 1000}),
            {"COMPRESS": "LERC_ZSTD", "ZSTD_LEVEL": "1", "MAX_Z_ERROR": "10.0"},
        ),
        (_params("uint8", "custom", creation_options={"COMPRESS": "LZW"}), {"COMPRESS": "LZW"}),
    ],
)
def test_options_are_the_same_for_overviews(params: ConsolidationParams, options: dict[str, str]) -> None:
    assert params.options() == options | {f"{name}_OVERVIEW": value for name, value in options.items()}


def test_options_tune_what_is_chosen() -> None:
    given = {"ZSTD_LEVEL": "15", "ZSTD_LEVEL_OVERVIEW": "3", "PREDICTOR": 1, "PHOTOMETRIC": "MINISBLACK"}
    found = _params("int16", "lossless", creation_options=given).options()
    assert (found["ZSTD_LEVEL"], found["ZSTD_LEVEL_OVERVIEW"]) == ("15", "3")
    assert (found["PREDICTOR"], found["PREDICTOR_OVERVIEW"]) == ("1", "1")
    assert found["PHOTOMETRIC_OVERVIEW"] == "MINISBLACK"


def test_overviews_may_have_a_codec_of_their_own() -> None:
    given = {"COMPRESS": "ZSTD", "ZSTD_LEVEL": "9", "COMPRESS_OVERVIEW": "JPEG", "JPEG_QUALITY_OVERVIEW": "80"}
    assert _params("uint8", "custom", creation_options=given).options() == given


@pytest.mark.parametrize(
    ("dtype", "span", "max_error", "error"),
    [
        pytest.param("float32", 2.0, 0.001, 0.002, id="a share of the range"),
        pytest.param("int16", 10_000, 0.001, 10, id="integers too"),
        pytest.param("int16", 1999, 0.001, 1, id="rounded down to whole counts"),
        pytest.param("uint8", 255, 0.001, 0.5, id="less than a count: none"),
        pytest.param("uint8", 255, 0.01, 2, id="more is said"),
    ],
)
def test_the_error_of_lossy_files(dtype: str, span: float, max_error: float, error: float) -> None:
    params = _params(dtype, "lossy", format={"maximum": span}, max_error=max_error)
    assert params.max_z_error == pytest.approx(error)


@pytest.mark.parametrize(
    ("params", "mask"),
    [
        pytest.param(_params("int16", "lossy", max_error=0.1, format={"nodata": -1}), True, id="nodata would move"),
        pytest.param(_params("float32", "lossy", format={"nodata": -1}), True, id="of floats too"),
        pytest.param(_params("int16", "lossy", max_error=0.1), False, id="no nodata"),
        pytest.param(_params("float32", "lossy", format={"nodata": math.nan}), False, id="NaN is kept apart"),
        pytest.param(_params("int16", "lossless", format={"nodata": -1}), False, id="lossless"),
        pytest.param(_params("int16", "lossy", max_error=0.001, format={"nodata": -1}), False, id="no error at all"),
        pytest.param(
            _params("uint8", "custom", format={"nodata": 0}, creation_options={"COMPRESS": "JPEG"}), True, id="JPEG"
        ),
        pytest.param(
            _params(
                "int16",
                "custom",
                format={"nodata": 0},
                creation_options={"COMPRESS": "LERC", "MAX_Z_ERROR": "0", "MAX_Z_ERROR_OVERVIEW": "3"},
            ),
            True,
            id="in overviews only",
        ),
    ],
)
def test_nodata_that_would_not_survive_needs_a_mask(params: ConsolidationParams, mask: bool) -> None:
    assert params.needs_mask is mask


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("compression", ["none", "lossless", "lossy"])
def test_what_gdal_writes_is_what_is_promised(dtype: str, compression: str) -> None:
    params = _params(dtype, compression, max_error=0.02)
    values = np.random.default_rng(1).uniform(0, 100, (1, 64, 64)).astype(dtype)
    options = {name: value for name, value in params.options().items() if not name.endswith("_OVERVIEW")}
    with MemoryFile() as memory:
        with memory.open(
            driver="GTiff", width=64, height=64, count=1, dtype=dtype, crs="EPSG:3035",
            transform=rasterio.Affine(10, 0, 0, 0, -10, 0), **options,
        ) as file:  # fmt: skip
            file.write(values)
        with memory.open() as file:
            found = file.read()
    error = np.abs(found.astype(np.float64) - values.astype(np.float64)).max()
    if compression == "lossy":
        assert 0 < error <= params.max_z_error * (1 + 1e-6)
    else:
        assert error == 0


VARIABLE = DataFormat(dtype="float32", minimum=-1, maximum=1)


def test_the_ranges_stand_for_each_other() -> None:
    params = _params("uint8", "none", exponent=2.0)
    assert params.mapping(VARIABLE) == ValueMapping(imin=0, imax=100, emin=-1, emax=1, exponent=2.0)
    assert _params("uint8", "none").mapping(VARIABLE).exponent == 1


def test_values_are_stored_as_they_are_without_ranges_or_with_equal_ones() -> None:
    plain = ConsolidationParams(format=DataFormat(dtype="int16"))
    assert plain.mapping(DataFormat(dtype="int16")).is_identity
    assert _params("int16", "none").mapping(DataFormat(dtype="int16", **RANGE)).is_identity


@pytest.mark.parametrize(
    ("params", "variable"),
    [
        pytest.param(ConsolidationParams(format=DataFormat(dtype="int16")), VARIABLE, id="no range inside"),
        pytest.param(_params("int16", "none"), DataFormat(dtype="int16"), id="no range outside"),
        pytest.param(
            ConsolidationParams(format=DataFormat(dtype="int16"), exponent=2), DataFormat(dtype="int16"), id="exponent"
        ),
    ],
)
def test_one_range_alone_stands_for_nothing(params: ConsolidationParams, variable: DataFormat) -> None:
    with pytest.raises(InvalidInput) as raised:
        params.mapping(variable)
    assert raised.value.parameter == "format"


FORMAT = {"dtype": "int16"} | RANGE
CUSTOM: dict[str, Any] = {"format": FORMAT, "compression": "custom"}


@pytest.mark.parametrize(
    ("document", "parameter", "reason"),
    [
        ({}, "consolidation.format", "missing"),
        ({"format": FORMAT, "create_overviews": True}, "consolidation.create_overviews", "not known"),
        ({"format": 5}, "format", "JSON object"),
        ({"format": {"dtype": "int12"}}, "dtype", "int12"),
        ({"format": FORMAT | {"minimum": "0"}}, "minimum", "number"),
        ({"format": FORMAT | {"maximum": "nan"}}, "maximum", "number"),
        ({"format": FORMAT | {"nodata": "x"}}, "nodata", "number"),
        ({"format": {"dtype": "uint8", "minimum": -1}}, "format", "can't hold"),
        ({"format": {"dtype": "uint8", "maximum": 256}}, "format", "can't hold"),
        ({"format": FORMAT, "exponent": 0}, "exponent", "positive"),
        ({"format": FORMAT, "exponent": "1"}, "exponent", "number"),
        ({"format": FORMAT, "max_error": 0}, "max_error", "between"),
        ({"format": FORMAT, "max_error": 1}, "max_error", "between"),
        ({"format": FORMAT, "compression": "zip"}, "compression", "not one of none"),
        ({"format": FORMAT, "storage_class": "cold"}, "storage_class", "not one of standard"),
        ({"format": FORMAT, "resampling": ""}, "resampling", "not one of"),
        ({"format": FORMAT, "resampling": "smooth"}, "resampling", "not one of"),
        ({"format": FORMAT, "overview_resampling": "smooth"}, "overview_resampling", "not one of"),
        ({"format": {"dtype": "int16"}, "compression": "lossy"}, "format", "minimum and maximum"),
        ({"format": FORMAT, "creation_options": []}, "creation_options", "JSON object"),
        ({"format": FORMAT, "creation_options": {"TILED": "YES"}}, "creation_options", "'TILED' is not one of"),
        ({"format": FORMAT, "creation_options": {"ZSTD_LEVEL": "0.01"}}, "creation_options", "from 1 to 22"),
        ({"format": FORMAT, "creation_options": {"ZSTD_LEVEL": 23}}, "creation_options", "from 1 to 22"),
        ({"format": FORMAT, "creation_options": {"COMPRESS": "LZW"}}, "creation_options", "set by 'lossless'"),
        ({"format": FORMAT, "creation_options": {"JPEG_QUALITY": "5"}}, "creation_options", "not read by ZSTD"),
        ({"format": FORMAT, "creation_options": {"PREDICTOR": "3"}}, "creation_options", "floating types only"),
        ({"format": FORMAT, "creation_options": {"PHOTOMETRIC": "PINK"}}, "creation_options", "one of MINISBLACK"),
        ({"format": FORMAT, "creation_options": {"PHOTOMETRIC": "YCBCR"}}, "creation_options", "JPEG only"),
        ({"format": FORMAT, "compression": "none", "creation_options": {"ZLEVEL": 6}}, "creation_options", "by NONE"),
        (
            {"format": FORMAT, "compression": "lossy", "creation_options": {"MAX_Z_ERROR": "5"}},
            "creation_options",
            "set by 'lossy'",
        ),
        (CUSTOM, "creation_options", "lack COMPRESS"),
        (CUSTOM | {"creation_options": {"COMPRESS": "ZIP"}}, "creation_options", "one of NONE"),
        (CUSTOM | {"creation_options": {"COMPRESS": "JPEG"}}, "creation_options", "uint8 only"),
        (CUSTOM | {"creation_options": {"COMPRESS": "LERC", "MAX_Z_ERROR": "-1"}}, "creation_options", "0 or more"),
        (CUSTOM | {"creation_options": {"COMPRESS": "LERC", "MAX_Z_ERROR": "x"}}, "creation_options", "0 or more"),
        (
            CUSTOM | {"creation_options": {"COMPRESS": "LZW", "ZLEVEL_OVERVIEW": "5"}},
            "creation_options",
            "ZLEVEL_OVERVIEW is not read by LZW",
        ),
    ],
)
def test_contradictions_are_refused(document: dict[str, Any], parameter: str, reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason) as raised:
        ConsolidationParams.from_json(document)
    assert raised.value.parameter == parameter


def test_defaults() -> None:
    params = ConsolidationParams.from_json({"format": {"dtype": "int16"}})
    assert params == ConsolidationParams(format=DataFormat(dtype="int16"))
    assert (params.compression, params.storage_class) == (Compression.LOSSLESS, StorageClass.STANDARD)
    assert (params.exponent, params.max_error, params.resampling) == (1, 0.001, "nearest")


def test_every_option_of_geocube_is_known() -> None:
    names = "PHOTOMETRIC COMPRESS JPEG_QUALITY PREDICTOR ZLEVEL ZSTD_LEVEL MAX_Z_ERROR"
    wanted = {f"{name}{suffix}" for name in names.split() for suffix in ("", "_OVERVIEW")}
    assert wanted | {"JPEGTABLESMODE"} == CREATION_OPTIONS
