"""How the files of an instance are written: the settings of its variable, with what a job says in place of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from prismcube.catalogue import Catalogue
from prismcube.errors import InvalidInput, NotFound
from prismcube.model.consolidation import OVERVIEW, ConsolidationParams, StorageClass
from prismcube.model.entities import Variable

if TYPE_CHECKING:  # they bring kernels, of which asking for jobs needs none
    from prismcube.tiff.image import WrittenCodec
    from prismcube.tiff.reduce import Reduction

OWN_REDUCTIONS = ("average", "nearest", "mode")
"""Kinds of overviews that our own writers make."""

GDAL_REDUCTIONS = ("bilinear", "cubic", "cubic_spline", "lanczos", "rms")
"""Those that GDAL makes beside."""

OWN_CODECS: Mapping[str, WrittenCodec] = {"NONE": "none", "DEFLATE": "deflate", "ZSTD": "zstd"}
"""Compressions that our own writers make; the others are GDAL's."""


def params_of(catalogue: Catalogue, variable: Variable, given: Mapping[str, Any] | None) -> ConsolidationParams:
    """The settings of a variable, each member of `given` in place of its own.

    Without settings of its own: lossless, in the variable's own format. Raises InvalidInput("consolidation.<member>").
    """
    try:
        own = catalogue.consolidation.get(variable.id or 0)
    except NotFound:
        own = ConsolidationParams(format=variable.format, resampling=variable.resampling)
    document = own.to_json() | dict(given or {})
    if given and "compression" in given and "creation_options" not in given:
        document["creation_options"] = {}  # those of another compression
    try:
        params = ConsolidationParams.from_json(document)
        params.options()
        params.mapping(variable.format)
        overviews_of(params)
    except InvalidInput as error:
        name = error.parameter.removeprefix("consolidation.")
        raise InvalidInput(f"consolidation.{name}", f"{error.reason} (variable {variable.name})") from error
    return params


def overviews_of(params: ConsolidationParams) -> str:
    """How overviews are made: one of `OWN_REDUCTIONS` or `GDAL_REDUCTIONS`.

    What was derived from a resampling that makes no overviews, such as `max`, becomes the average. Raises InvalidInput
    for such a one that was asked for.
    """
    wanted = params.resampling_of_overviews
    if wanted in OWN_REDUCTIONS or wanted in GDAL_REDUCTIONS:
        return wanted
    if params.overview_resampling:
        raise InvalidInput("overview_resampling", f"{wanted!r} makes no overviews")
    return "average"


@dataclass(frozen=True, kw_only=True)
class OwnWriter:
    """How our own writers make a file."""

    codec: WrittenCodec
    level: int
    predictor: Literal[1, 2, 3] | None
    reduction: Reduction


def own_writer(params: ConsolidationParams) -> OwnWriter | None:
    """None when GDAL must write the file: other codecs, overviews of another kind or packed another way."""
    options = params.options()
    reduction = overviews_of(params)
    codec = OWN_CODECS.get(options["COMPRESS"])
    apart = any(
        options.get(name + OVERVIEW, value) != value for name, value in options.items() if not name.endswith(OVERVIEW)
    )
    colours = options.get("PHOTOMETRIC", "MINISBLACK") != "MINISBLACK"
    if codec is None or apart or colours or reduction not in OWN_REDUCTIONS:
        return None
    level = int(options.get("ZSTD_LEVEL", 9) if codec == "zstd" else options.get("ZLEVEL", 6))
    predictor = int(options.get("PREDICTOR", 1))
    if predictor == 2 and params.format.is_floating:
        return None
    if predictor == 3 or predictor == 2 or predictor == 1:
        return OwnWriter(codec=codec, level=level, predictor=_predictor(predictor), reduction=_reduction(reduction))
    return None


def _predictor(number: int) -> Literal[1, 2, 3]:
    return 3 if number == 3 else 2 if number == 2 else 1


def _reduction(text: str) -> Reduction:
    return "mode" if text == "mode" else "nearest" if text == "nearest" else "average"


_CLASSES: Mapping[str, Mapping[StorageClass, str]] = {
    "s3": {
        StorageClass.INFREQUENT: "STANDARD_IA",
        StorageClass.ARCHIVE: "GLACIER",
        StorageClass.DEEP_ARCHIVE: "DEEP_ARCHIVE",
    },
    "gs": {
        StorageClass.INFREQUENT: "NEARLINE",
        StorageClass.ARCHIVE: "COLDLINE",
        StorageClass.DEEP_ARCHIVE: "ARCHIVE",
    },
}
"""What stores call them; others have none that is chosen with the file."""


def check_class(folder: str, params: ConsolidationParams, variable: Variable) -> None:
    """Raises InvalidInput for a class that files in a folder can't have: the catalogue would tell what is not so."""
    wanted = params.storage_class
    if wanted is not StorageClass.STANDARD and not class_name(folder, wanted):
        store = "a local folder has" if folder.startswith("file:") else f"stores of {folder.partition(':')[0]}:// have"
        raise InvalidInput(
            "consolidation.storage_class",
            f"{wanted.value!r} can't be had in {folder}: {store} no such class; give 'standard' for this job, "
            f"or in the settings of the variable {variable.name}",
        )


def class_name(uri: str, wanted: StorageClass) -> str:
    """What the store of a file calls its class; empty where it has none that is chosen."""
    return _CLASSES.get(uri.partition(":")[0], {}).get(wanted, "")
