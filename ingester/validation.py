"""What a file must be to become a dataset: the one place where its header is judged.

Indexing, registering and creating a dataset by hand all ask `check_dataset`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from prismcube.errors import InvalidInput, SourceError
from prismcube.model.entities import Dataset, DatasetStatus, Variable
from prismcube.model.formats import DataFormat, ValueMapping
from prismcube.raster.inspect import RasterInfo
from prismcube.storage.uri import without_secret
from prismcube.tiff.current import current_header
from prismcube.tiff.layout import Header

FromFile = Literal["file"]
FROM_FILE: FromFile = "file"

_CASTABLE = {"integer": ("integer", "floating"), "floating": ("integer", "floating"), "complex": ("complex",)}
"""Kinds of numbers by what they can be handed out as: values are rounded and clamped, but no part of one is dropped."""


@dataclass(frozen=True, kw_only=True)
class InternalFormat:
    """What the caller says about the stored values; the rest is the file's."""

    dtype: str | FromFile = FROM_FILE
    """Must be the file's; here for callers that state it."""
    nodata: float | FromFile | None = FROM_FILE
    """Stored value of empty pixels; None: every value is valid."""
    minimum: float | None = None
    """Least stored value to expect."""
    maximum: float | None = None
    """Greatest stored value to expect."""


@dataclass(frozen=True, kw_only=True)
class DatasetParts:
    """What of a dataset follows from the file and was checked against it."""

    bands: tuple[int, ...]
    """1-based, one for each band of the variable."""
    format: DataFormat
    """Of the stored values."""
    mapping: ValueMapping


def dataset_of(
    info: RasterInfo,
    parts: DatasetParts,
    *,
    instance_id: int,
    time: datetime,
    record_id: int = 0,
    status: DatasetStatus = DatasetStatus.ACTIVE,
) -> Dataset:
    """A dataset of a file that was checked; its container is not known yet."""
    return Dataset(
        record_id=record_id,
        instance_id=instance_id,
        container_id=0,
        time=time,
        uri=info.uri,
        subdir=info.subdir,
        bands=parts.bands,
        format=parts.format,
        mapping=parts.mapping,
        grid=info.grid,
        footprint=info.footprint,
        slant=info.slant,
        status=status,
    )


def header_of(dataset: Dataset) -> Header:
    """Where the blocks of its file lie, read anew, or why GDAL must read it. Raises as `current_header` does."""
    header = current_header(dataset.uri, dataset.subdir)
    return header if dataset.slant is None else replace(header, layout=None, reason=dataset.slant.reason)


def check_dataset(
    info: RasterInfo,
    *,
    bands: Sequence[int],
    variable: Variable,
    internal: InternalFormat | None = None,
    mapping: ValueMapping | None = None,
) -> DatasetParts:
    """The parts of a dataset that takes `bands` of a file for `variable`.

    Raises SourceError, naming file and reason: a band that is not there or given twice, another number of bands than
    the variable has, bands of different types or nodata, a type that can't be handed out in the variable's, a minimum
    that is not less than the maximum, nodata that is no value of the type, expected values that all lie outside the
    variable's.
    """
    said = internal or InternalFormat()
    mapping = mapping or ValueMapping()
    _check_bands(info, bands, variable)
    dtype = _dtype(info, bands, variable)
    if said.dtype not in (FROM_FILE, dtype):
        raise SourceError(without_secret(info.uri), f"its values are {dtype}, not {said.dtype}")
    if _kind(variable.format.dtype) not in _CASTABLE[_kind(dtype)]:
        raise SourceError(
            info.uri, f"{dtype} can't be handed out as {variable.format.dtype}, the type of {variable.name}"
        )
    nodata = _nodata(info, bands, variable) if said.nodata == FROM_FILE else said.nodata
    try:
        format = DataFormat(dtype=dtype, nodata=nodata, minimum=said.minimum, maximum=said.maximum)
    except InvalidInput as error:
        advice = "; give nodata in the mapping" if error.parameter == "nodata" and said.nodata == FROM_FILE else ""
        raise SourceError(without_secret(info.uri), f"{error.parameter} {error.reason}{advice}") from error
    _check_range(info, format, mapping, variable)
    return DatasetParts(bands=tuple(bands), format=format, mapping=mapping)


def _check_bands(info: RasterInfo, bands: Sequence[int], variable: Variable) -> None:
    if len(bands) != len(variable.bands):
        names = ", ".join(variable.bands)
        raise SourceError(without_secret(info.uri), f"{len(bands)} band(s) given, but {variable.name} has {names}")
    if len(set(bands)) != len(bands):
        raise SourceError(without_secret(info.uri), f"bands must be distinct, got {', '.join(map(str, bands))}")
    absent = [band for band in bands if not 1 <= band <= info.count]
    if absent:
        raise SourceError(without_secret(info.uri), f"has {info.count} band(s); {variable.name} needs band {absent[0]}")


def _dtype(info: RasterInfo, bands: Sequence[int], variable: Variable) -> str:
    dtypes = {info.dtypes[band - 1] for band in bands}
    if len(dtypes) > 1:
        raise SourceError(
            without_secret(info.uri),
            f"the bands of {variable.name} are of different types: {', '.join(sorted(dtypes))}",
        )
    return dtypes.pop()


def _nodata(info: RasterInfo, bands: Sequence[int], variable: Variable) -> float | None:
    by_text = {str(info.nodata[band - 1]): info.nodata[band - 1] for band in bands}  # text: nan equals nan
    if len(by_text) > 1:
        told = ", ".join(by_text)
        reason = f"the bands of {variable.name} have different nodata: {told}; give nodata in the mapping"
        raise SourceError(without_secret(info.uri), reason)
    return next(iter(by_text.values()))


def _check_range(info: RasterInfo, format: DataFormat, mapping: ValueMapping, variable: Variable) -> None:
    """Refuse a mapping or a stated range by which no value can be one that the variable expects."""
    if not mapping.is_identity:
        low: float | None = mapping.emin
        high: float | None = mapping.emax
    else:
        low, high = format.minimum, format.maximum
    least, most = variable.format.minimum, variable.format.maximum
    if (low is not None and most is not None and low > most) or (
        high is not None and least is not None and high < least
    ):
        reason = f"its values would be {low} to {high}, but {variable.name} expects {least} to {most}"
        raise SourceError(without_secret(info.uri), reason)


def _kind(dtype: str) -> str:
    if dtype.startswith("complex"):
        return "complex"
    return "floating" if dtype.startswith("float") else "integer"
