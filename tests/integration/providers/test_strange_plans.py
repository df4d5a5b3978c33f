"""Whatever stands in a plan, a downloader answers with an error of ours or with a cube: it never breaks."""

from __future__ import annotations

import copy
import json
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from prismcube.cube.gate import MemoryGate
from prismcube.cube.plan import BandRead, CubePlan, LayerPlan, ReadStep, SlicePlan
from prismcube.cube.plan_document import plan_document
from prismcube.errors import PrismcubeError
from prismcube.model.collection import ComputedField
from prismcube.model.cube import OutputField, Step
from prismcube.model.expression import Expression
from prismcube.model.formats import DataFormat, ValueMapping
from prismcube.model.grid import Grid
from prismcube.model.mask import MaskRule
from prismcube.model.slant import Slant
from prismcube.storage.doors import Doors
from prismcube.storage.store import stat
from prismcube.tiff.parse import read_layout
from providers.ogc.answer import Limits, Request
from providers.plans import Downloads, download

LIMITS = Limits(
    answer_bytes=2**22, working_bytes=2**26, read_bytes=2**24, pixels=10**7, slices=20, json_values=10**5, items=10,
    default_items=10, vertices=100, counted=10,
)  # fmt: skip
BYTE = DataFormat(dtype="uint8", nodata=0)
SAME = ValueMapping(imin=0, imax=1, emin=0, emax=1, exponent=1)
CRS = "EPSG:32632"
TURNED = Affine(9, 4, 500_000, 4, -9, 4_999_900)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archive")
    profile = {"driver": "GTiff", "width": 64, "height": 64, "count": 2, "dtype": "uint8", "nodata": 0, "crs": CRS}
    place = {"transform": Affine(10, 0, 500_000, 0, -10, 5_000_000)}
    tiles = {"tiled": True, "blockxsize": 32, "blockysize": 32, "compress": "deflate"}
    with rasterio.open(folder / "a.tif", "w", **profile, **place, **tiles) as file:
        file.write(np.arange(2 * 64 * 64).reshape(2, 64, 64).astype("uint8"))
        file.build_overviews([2], rasterio.enums.Resampling.average)
    with rasterio.open(folder / "turned.tif", "w", **profile, transform=TURNED) as file:
        file.write(np.ones((2, 64, 64), "uint8"))
    return folder


def plan_over(folder: Path) -> dict[str, Any]:
    """A plan of all kinds of members: copied, warped, with a layout and without, masked, computed."""
    uri = f"file://{folder}/a.tif"
    data = (folder / "a.tif").read_bytes()
    layout = read_layout(lambda start, length: data[start : start + length], size=len(data))
    slant = Slant(TURNED, 64, 64)
    own = Grid(CRS, Affine(10, 0, 500_000, 0, -10, 5_000_000), 64, 64)

    def step(band: str, **more: Any) -> ReadStep:
        given = {
            "dataset_ids": (1,), "uri": uri, "subdir": "", "grid": own, "format": BYTE, "mode": "warp",
            "resampling": "bilinear", "bands": (BandRead(band, 1, SAME),), "offset": None, "read_bytes": 1,
            "etag": stat(uri).etag, "layout": layout, "fallback": "",
        }  # fmt: skip
        return ReadStep(**given | more)

    steps = (
        step("a"),
        step("a", mode="copy", offset=(3, 4), resampling="nearest"),
        step("quality:q", layout=None, resampling="nearest"),
        step("a", layout=None, slant=slant, grid=slant.upright(CRS), uri=uri.replace("a.tif", "turned.tif")),
        step("b", level=1, resampling="average", scale=(2.0, 2.0)),
    )
    when = Step(datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 1, 1, tzinfo=UTC), ("r",))
    plan = CubePlan(
        grid=Grid(CRS, Affine(13, 0, 500_040, 0, -13, 4_999_970), 20, 30),
        fields=(OutputField("a", BYTE, "", "", "bilinear"), OutputField("c", BYTE, "", "", "average")),
        computed=(ComputedField(name="c", expression=Expression("(a + b) / 2")),),
        masks={"a": MaskRule.parse("q:!8")},
        mosaic="median",
        slices=(SlicePlan(when, (LayerPlan(1, "r", steps),)),),
    )
    return json.loads(json.dumps(plan_document(plan)))


@pytest.fixture
def means(folder: Path, tmp_path: Path) -> Downloads:
    doors = Doors(roots=(f"file://{folder}",), public_http=False)
    return Downloads(limits=LIMITS, temporary=tmp_path, memory=MemoryGate(2**27), doors=doors)


def answered(means: Downloads, document: Any, f: str = "geotiff") -> bytes:
    request = Request(query=[("f", f)], body=json.dumps(document).encode(), content_type="application/json")
    answer = download(means, request)
    return answer.body if isinstance(answer.body, bytes) else b"".join(answer.body.chunks())


def test_the_plan_as_it_is(folder: Path, means: Downloads) -> None:
    with rasterio.MemoryFile(answered(means, plan_over(folder))) as memory, memory.open() as file:
        assert file.shape == (20, 30)
        assert file.read(1).any()


def leaves(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where every member of a document is."""
    inner = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    return [path, *(leaf for name, one in inner for leaf in leaves(one, (*path, name)))]


odd = st.one_of(
    st.none(), st.booleans(), st.text(max_size=9), st.just([]), st.just({}), st.just("last"), st.just("mode"),
    st.integers(-(2**60), 2**60), st.integers(-3, 300), st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([1e300, -1e300, 1e-300, 0, -1, "NaN", "Infinity", "EPSG:4326", "EPSG:3031", "float64", "int16"]),
    st.sampled_from(["2020-01-01T00:00:00Z", "zip/a", "GTIFF_DIR:2", "file:///etc/passwd", "a / 0", "warp", "copy"]),
)  # fmt: skip


@given(st.data())
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # numpy's: values may be mapped to anything, also beyond float64
def test_changed_members(folder: Path, means: Downloads, plain: bool, data: st.DataObject) -> None:
    document = copy.deepcopy(plan_over(folder))
    if plain:  # filled, not computed
        document |= {"masks": {}, "computed": [], "mosaic": "last", "fields": document["fields"][:1]}
        document["slices"][0]["layers"][0]["steps"] = document["slices"][0]["layers"][0]["steps"][:2]
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(leaves(document)[1:]))
        inside = document
        for name in path[:-1]:
            inside = inside[name]
        if data.draw(st.integers(0, 9)):
            inside[path[-1]] = data.draw(odd)
        elif isinstance(inside, dict):
            del inside[path[-1]]
        else:
            inside += inside
    with suppress(PrismcubeError):
        answered(means, document, data.draw(st.sampled_from(["geotiff", "netcdf", "covjson"])))
