"""Consolidation settings: in which numbers, and how compressed, the files of a variable are written.

Lossless means that every stored number comes back as it was. Lossy means that none comes back further off than

    max_error * (format.maximum - format.minimum)        in stored counts

rounded down to whole counts for integers; what is left of less than one count is no error at all. Where the exponent
is 1, real values are off by no more than the same share of their own range; other exponents bend that.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

import numpy as np

from prismcube.errors import InvalidInput
from prismcube.model.checks import check_number, members
from prismcube.model.entities import RESAMPLINGS
from prismcube.model.formats import DataFormat, ValueMapping

SMOOTH = frozenset({"bilinear", "cubic", "cubic_spline", "lanczos"})
"""Kernels for grids of about the same size; an overview made by them would skip pixels."""

ZSTD_LEVEL = 1
"""Of files whose settings don't say. Level 9 makes those of real images smaller by less than a hundredth, and takes
five to eight times as long."""

JPEG_QUALITY = 75
"""GDAL's, where settings don't say."""

LOSSLESS_LERC = 0.5
"""The error that LERC takes as none for integers."""


class Compression(StrEnum):
    """What may happen to numbers in a file."""

    NONE = "none"  # stored as they are
    LOSSLESS = "lossless"  # smaller, and the same when read
    LOSSY = "lossy"  # smaller still, each within `max_error`
    CUSTOM = "custom"  # as `creation_options` say


class StorageClass(StrEnum):
    """How soon and how often a file is expected to be read; each store has its own name for it."""

    STANDARD = "standard"
    INFREQUENT = "infrequent"
    ARCHIVE = "archive"
    DEEP_ARCHIVE = "deep-archive"


CODECS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "NONE": frozenset(),
        "LZW": frozenset({"PREDICTOR"}),
        "DEFLATE": frozenset({"PREDICTOR", "ZLEVEL"}),
        "ZSTD": frozenset({"PREDICTOR", "ZSTD_LEVEL"}),
        "LERC": frozenset({"MAX_Z_ERROR"}),
        "LERC_DEFLATE": frozenset({"MAX_Z_ERROR", "ZLEVEL"}),
        "LERC_ZSTD": frozenset({"MAX_Z_ERROR", "ZSTD_LEVEL"}),
        "JPEG": frozenset({"JPEG_QUALITY", "JPEGTABLESMODE"}),
    }
)
"""Compressions of GDAL's GeoTIFF driver that files may have, and the creation options each of them reads."""

_NUMBERS = {
    "PREDICTOR": (1, 3),
    "ZLEVEL": (1, 12),
    "ZSTD_LEVEL": (1, 22),
    "JPEG_QUALITY": (1, 100),
    "JPEGTABLESMODE": (0, 3),
}
"""Least and greatest value of the options that are whole numbers."""

_PHOTOMETRIC = ("MINISBLACK", "MINISWHITE", "RGB", "YCBCR")

OVERVIEW = "_OVERVIEW"
"""At the end of an option's name: for the overviews only."""

_NO_OVERVIEW = frozenset({"JPEGTABLESMODE"})

CREATION_OPTIONS = frozenset(
    name + suffix
    for name in (*_NUMBERS, "COMPRESS", "MAX_Z_ERROR", "PHOTOMETRIC")
    for suffix in ("", OVERVIEW)
    if not (suffix and name in _NO_OVERVIEW)
)
"""All that may be given: those of Geocube."""


def overview_resampling(resampling: str) -> str:
    """How overviews are made of data resampled so: smooth kernels become the average, others stay."""
    return "average" if resampling in SMOOTH else resampling


@dataclass(frozen=True, kw_only=True)
class ConsolidationParams:
    """How the consolidated files of a variable are written. A job keeps a copy of its own."""

    format: DataFormat
    """Of the stored values; its range stands for the variable's range."""
    exponent: float = 1.0
    """Of the value mapping, see `prismcube.model.formats`."""
    resampling: str = "nearest"
    """One of `RESAMPLINGS`; used when data are moved to another grid."""
    overview_resampling: str = ""
    """One of `RESAMPLINGS`; empty: what `overview_resampling()` makes of `resampling`."""
    compression: Compression = Compression.LOSSLESS
    max_error: float = 0.001
    """Of lossy files: the largest error, as a share of the format's range; see above."""
    creation_options: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Some of `CREATION_OPTIONS`. With `custom` they hold COMPRESS; otherwise they only tune what is chosen."""
    storage_class: StorageClass = StorageClass.STANDARD

    def __post_init__(self) -> None:
        for limit in (self.format.minimum, self.format.maximum):
            if limit is not None and not self.format.is_floating:
                info = np.iinfo(self.format.dtype)
                if not info.min <= limit <= info.max:
                    raise InvalidInput("format", f"its range ends at {limit}, which {self.format.dtype} can't hold")
        _as(self, "compression", Compression)
        _as(self, "storage_class", StorageClass)
        if not check_number("exponent", self.exponent) > 0:
            raise InvalidInput("exponent", f"must be positive, got {self.exponent}")
        if not 0 < check_number("max_error", self.max_error) < 1:
            raise InvalidInput("max_error", f"must be between 0 and 1, got {self.max_error}")
        for name in ("resampling", "overview_resampling"):
            value = getattr(self, name)
            if value not in RESAMPLINGS and (name == "resampling" or value != ""):
                raise InvalidInput(name, f"{str(value)[:60]!r} is not one of {', '.join(RESAMPLINGS)}")
        if not isinstance(self.creation_options, Mapping):
            raise InvalidInput("creation_options", "must be a JSON object")
        given = {name: str(value) for name, value in sorted(self.creation_options.items())}
        object.__setattr__(self, "creation_options", MappingProxyType(given))
        for name, value in given.items():
            _check_option(name, value)
        self._check_codecs()

    def _check_codecs(self) -> None:
        """Each option is one that its codec reads, and does not undo what the compression promises."""
        given = self.creation_options
        if self.compression is Compression.CUSTOM and "COMPRESS" not in given:
            raise InvalidInput("creation_options", "lack COMPRESS, which 'custom' needs")
        for name in given:
            stem = name.removesuffix(OVERVIEW)
            if stem in ("COMPRESS", "MAX_Z_ERROR") and self.compression is not Compression.CUSTOM:
                raise InvalidInput("creation_options", f"{name} is set by {self.compression.value!r}; use 'custom'")
        options = self.options()
        for suffix in ("", OVERVIEW):
            codec = options["COMPRESS" + suffix]
            for name in options:
                stem = name.removesuffix(OVERVIEW)
                read_here = name.endswith(OVERVIEW) == bool(suffix)
                if read_here and stem not in (*CODECS[codec], "COMPRESS", "PHOTOMETRIC"):
                    raise InvalidInput("creation_options", f"{name} is not read by {codec}")
            if codec == "JPEG" and self.format.dtype != "uint8":
                raise InvalidInput("creation_options", f"JPEG holds uint8 only, not {self.format.dtype}")
            if options.get("PHOTOMETRIC" + suffix) == "YCBCR" and codec != "JPEG":
                raise InvalidInput("creation_options", f"PHOTOMETRIC{suffix}=YCBCR is for JPEG only")
            if options.get("PREDICTOR" + suffix) == "3" and not self.format.is_floating:
                raise InvalidInput("creation_options", f"PREDICTOR{suffix}=3 is for floating types only")

    @property
    def resampling_of_overviews(self) -> str:
        return self.overview_resampling or overview_resampling(self.resampling)

    @property
    def max_z_error(self) -> float:
        """Of lossy files, in stored counts. Raises InvalidInput when the format has no range."""
        if self.format.minimum is None or self.format.maximum is None:
            raise InvalidInput("format", "'lossy' needs minimum and maximum: the error is a share of that range")
        error = self.max_error * (self.format.maximum - self.format.minimum)
        if self.format.is_floating:
            return error
        return float(math.floor(error)) or LOSSLESS_LERC

    @property
    def needs_mask(self) -> bool:
        """True when a nodata number would not survive: validity then goes to a mask beside the values.

        NaN does survive in LERC, which keeps such pixels apart. JPEG changes any number.
        """
        options = self.options()
        codecs = {options["COMPRESS"], options["COMPRESS" + OVERVIEW]}
        errors = [float(options.get("MAX_Z_ERROR" + suffix, "0")) for suffix in ("", OVERVIEW)]
        exact = 0.0 if self.format.is_floating else LOSSLESS_LERC
        changes = "JPEG" in codecs or max(errors) > exact
        return changes and self.format.nodata is not None and not math.isnan(self.format.nodata)

    @property
    def loss(self) -> str:
        """The options, as `NAME=VALUE`, by which numbers don't come back as they were; empty when all of them do."""
        return " ".join(filter(None, (self._loss(""), self._loss(OVERVIEW))))

    def _loss(self, suffix: str) -> str:
        """Of the pixels, or of the overviews."""
        options = self.options()
        if options["COMPRESS" + suffix] == "JPEG":
            quality = options.get("JPEG_QUALITY" + suffix, JPEG_QUALITY)
            colours = options.get("PHOTOMETRIC" + suffix, "MINISBLACK")
            return f"JPEG_QUALITY{suffix}={quality} PHOTOMETRIC{suffix}={colours}"
        error = float(options.get("MAX_Z_ERROR" + suffix, 0))
        exact = 0.0 if self.format.is_floating else LOSSLESS_LERC
        return f"MAX_Z_ERROR{suffix}={error!r}" if error > exact else ""

    def options(self) -> dict[str, str]:
        """All creation options of a file, and of its overviews: those have the file's own unless they are given."""
        main = self._chosen() | {k: v for k, v in self.creation_options.items() if not k.endswith(OVERVIEW)}
        beside = {k: v for k, v in self.creation_options.items() if k.endswith(OVERVIEW)}
        codec = beside.get("COMPRESS" + OVERVIEW, main["COMPRESS"])
        kept = (CODECS[codec] | {"COMPRESS", "PHOTOMETRIC"}) - _NO_OVERVIEW
        copied = {k + OVERVIEW: v for k, v in main.items() if k in kept}
        return main | copied | beside

    def _chosen(self) -> dict[str, str]:
        match self.compression:
            case Compression.LOSSLESS:
                predictor = "3" if self.format.is_floating else "2"
                return {"COMPRESS": "ZSTD", "ZSTD_LEVEL": str(ZSTD_LEVEL), "PREDICTOR": predictor}
            case Compression.LOSSY:
                return {"COMPRESS": "LERC_ZSTD", "ZSTD_LEVEL": str(ZSTD_LEVEL), "MAX_Z_ERROR": repr(self.max_z_error)}
            case Compression.NONE:
                return {"COMPRESS": "NONE"}
            case Compression.CUSTOM:
                return {}

    def mapping(self, variable: DataFormat) -> ValueMapping:
        """How stored values stand for those of a variable of that format: range to range.

        Without both ranges values are stored as they are. Raises InvalidInput when one range is missing.
        """
        inner, outer = (self.format.minimum, self.format.maximum), (variable.minimum, variable.maximum)
        if inner == outer and self.exponent == 1:
            return ValueMapping()
        if inner[0] is None or inner[1] is None:
            raise InvalidInput("format", "has no minimum and maximum to stand for the variable's range")
        if outer[0] is None or outer[1] is None:
            raise InvalidInput("format", "has a range, but the variable has none that it could stand for")
        return ValueMapping(imin=inner[0], imax=inner[1], emin=outer[0], emax=outer[1], exponent=self.exponent)

    def to_json(self) -> dict[str, Any]:
        return {
            "format": format_to_json(self.format),
            "exponent": self.exponent,
            "resampling": self.resampling,
            "overview_resampling": self.overview_resampling,
            "compression": self.compression.value,
            "max_error": self.max_error,
            "creation_options": dict(self.creation_options),
            "storage_class": self.storage_class.value,
        }

    @classmethod
    def from_json(cls, document: object) -> ConsolidationParams:
        optional = {
            *("exponent", "resampling", "overview_resampling", "compression"),
            *("max_error", "creation_options", "storage_class"),
        }
        given = members(document, "consolidation", required={"format"}, optional=optional)
        return cls(**given | {"format": format_from_json(given["format"])})


def format_to_json(one: DataFormat) -> dict[str, Any]:
    """A data format; what it lacks is left out, and NaN is the text `nan`, for which JSON has no number."""
    values = {"nodata": one.nodata, "minimum": one.minimum, "maximum": one.maximum}
    return {"dtype": one.dtype} | {
        name: "nan" if math.isnan(value) else value for name, value in values.items() if value is not None
    }


def format_from_json(document: object) -> DataFormat:
    """The inverse of `format_to_json`. Raises InvalidInput."""
    given = members(document, "format", required={"dtype"}, optional={"nodata", "minimum", "maximum"})
    for name in ("nodata", "minimum", "maximum"):
        value = given.get(name)
        if name == "nodata" and value == "nan":
            given[name] = math.nan
        elif value is not None:
            check_number(name, value)
    return DataFormat(**given)


def _as(params: ConsolidationParams, name: str, kind: type[StrEnum]) -> None:
    value = getattr(params, name)
    if value not in list(kind):
        raise InvalidInput(name, f"{str(value)[:60]!r} is not one of {', '.join(kind)}")
    object.__setattr__(params, name, kind(value))


def _check_option(name: str, value: str) -> None:
    if name not in CREATION_OPTIONS:
        raise InvalidInput(
            "creation_options", f"{str(name)[:60]!r} is not one of {', '.join(sorted(CREATION_OPTIONS))}"
        )
    stem = name.removesuffix(OVERVIEW)
    if stem in _NUMBERS:
        least, most = _NUMBERS[stem]
        fits = value.isascii() and value.isdecimal() and least <= int(value) <= most
        wanted = f"a whole number from {least} to {most}"
    elif stem == "MAX_Z_ERROR":
        fits, wanted = _is_error(value), "a number of 0 or more"
    else:
        choices = tuple(CODECS) if stem == "COMPRESS" else _PHOTOMETRIC
        fits, wanted = value in choices, f"one of {', '.join(choices)}"
    if not fits:
        raise InvalidInput("creation_options", f"{name} must be {wanted}, got {value[:60]!r}")


def _is_error(value: str) -> bool:
    try:
        return 0 <= float(value) < math.inf
    except ValueError:
        return False
