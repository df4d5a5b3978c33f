"""What a file must be to become a dataset."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingester.validation import InternalFormat, check_dataset
from prismcube.errors import SourceError
from prismcube.model.entities import Variable
from prismcube.model.formats import DTYPES, DataFormat, ValueMapping

NAN = float("nan")


def header(*dtypes: str, nodata: Any = None) -> Any:
    values = nodata if isinstance(nodata, tuple) else (nodata,) * len(dtypes)
    return SimpleNamespace(uri="file:///a/b.tif", count=len(dtypes), dtypes=dtypes, nodata=values)


def variable(*bands: str, dtype: str = "uint16", **limits: Any) -> Variable:
    return Variable(name="v", bands=bands or ("b",), format=DataFormat(dtype=dtype, nodata=0, **limits))


SQUEEZED = ValueMapping(imin=0, imax=200, emin=5, emax=9)

REFUSED: list[tuple[Any, dict[str, Any], str]] = [
    (header("uint8"), {"bands": [2]}, "has 1 band.*v needs band 2"),
    (header("uint8"), {"bands": [0]}, "needs band 0"),
    (header("uint8", "uint8"), {"bands": [1, 2]}, r"2 band\(s\) given, but v has b"),
    (header("uint8", "uint8"), {"bands": [1, 1], "variable": variable("a", "b")}, "distinct"),
    (header("uint8", "int16"), {"bands": [1, 2], "variable": variable("a", "b")}, "different types: int16, uint8"),
    (
        header("uint8", "uint8", nodata=(0, 1)),
        {"bands": [1, 2], "variable": variable("a", "b")},
        "different nodata: 0, 1; give nodata in the mapping",
    ),
    (header("complex64"), {}, "complex64 can't be handed out as uint16, the type of v"),
    (header("uint8", nodata=300), {}, "nodata 300 is not a value of uint8; give nodata in the mapping"),
    (header("uint8", nodata=0.5), {}, "nodata 0.5 is not a value of uint8"),
    (header("uint8"), {"internal": InternalFormat(nodata=-1)}, "nodata -1 is not a value of uint8$"),
    (header("uint8"), {"internal": InternalFormat(dtype="int16")}, "are uint8, not int16"),
    (header("uint8"), {"internal": InternalFormat(minimum=5, maximum=5)}, "minimum must be less than maximum"),
    (
        header("uint8"),
        {"variable": variable(minimum=10, maximum=20), "mapping": SQUEEZED},
        "would be 5 to 9, but v expects 10 to 20",
    ),
    (
        header("uint8"),
        {"variable": variable(minimum=10, maximum=20), "internal": InternalFormat(minimum=21, maximum=30)},
        "would be 21 to 30",
    ),
    (header("uint8"), {"variable": variable(maximum=4), "mapping": SQUEEZED}, "expects None to 4"),
]


@pytest.mark.parametrize(("info", "asked", "reason"), REFUSED, ids=[reason[:30] for *_, reason in REFUSED])
def test_refused_naming_file_and_reason(info: Any, asked: dict[str, Any], reason: str) -> None:
    with pytest.raises(SourceError, match=reason) as caught:
        check_dataset(info, **{"bands": [1], "variable": variable(), **asked})
    assert caught.value.uri == "file:///a/b.tif"


@pytest.mark.parametrize(
    ("info", "asked", "nodata"),
    [
        (header("uint8", nodata=7), {}, 7),
        (header("uint8", nodata=300), {"internal": InternalFormat(nodata=None)}, None),
        (header("uint8", nodata=300), {"internal": InternalFormat(nodata=3)}, 3),
        (header("int16", nodata=NAN), {}, None),  # as Geocube: NaN on an integer means none
        (header("float32"), {"mapping": SQUEEZED}, None),
        (header("uint8"), {"variable": variable(minimum=9, maximum=20), "mapping": SQUEEZED}, None),  # they touch
        (header("uint8"), {"internal": InternalFormat(dtype="uint8", minimum=1, maximum=2)}, None),
    ],
)
def test_taken(info: Any, asked: dict[str, Any], nodata: float | None) -> None:
    parts = check_dataset(info, **{"bands": [1], "variable": variable(), **asked})
    assert (parts.bands, parts.format.dtype, parts.format.nodata) == ((1,), info.dtypes[0], nodata)


def test_equal_nan_of_several_bands() -> None:
    info = header("float32", "float32", nodata=(NAN, float("nan")))
    parts = check_dataset(info, bands=[2, 1], variable=variable("a", "b", dtype="float32"))
    assert parts.bands == (2, 1)
    assert repr(parts.format.nodata) == "nan"


@given(st.sampled_from(DTYPES), st.sampled_from(DTYPES))
def test_real_numbers_can_be_handed_out_as_any(stored: str, wanted: str) -> None:
    if not wanted.startswith("complex") and not stored.startswith("complex"):
        assert check_dataset(header(stored), bands=[1], variable=variable(dtype=wanted)).format.dtype == stored
