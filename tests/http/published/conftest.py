"""Every set of images with published figures in one catalogue, served twice: by the fast engine, and by GDAL alone.

kind      "auto" or "rasterio": each test of this folder runs with both
server    of that kind, over the catalogue of all sets
fast      the test reads files that the fast engine reads: /metrics must tell that GDAL has read none, or all
by_gdal   the test reads files that GDAL reads in any case, and /metrics must tell so
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ingester.index import Indexer, Outcome, Status, read_mapping
from ingester.register import Registrar
from prismcube.catalogue import Catalogue, migrate

EXAMPLES = Path(__file__).parents[3] / "examples"
TOLD = 'prismcube_fallbacks_total{reason="the settings say rasterio"}'
NO_TIFF = 'prismcube_fallbacks_total{reason="no TIFF"}'

VARIABLE = {"dtype": "float32", "nodata": 0, "resampling": "nearest"}
MERGES = {
    "variables": {"merged": {**VARIABLE, "bands": ["v"]}},
    "files": [
        {
            "pattern": rf"image_warp{number}\.tif",
            "record": f"warp{number}",
            "time": f"2020-01-0{number + 1}",
            "tags": {"area": "merges"},
            "datasets": [{"instance": "merged/one", "bands": [1]}],
        }
        for number in range(3)
    ],
    "collections": {"merges": {"record_tags": {"area": "merges"}, "fields": {"v": {"instance": "merged/one"}}}},
}
"""The inputs of the original Geocube's merges: a record each."""

MERIS = {
    "variables": {"meris": {"dtype": "uint8", "nodata": 0, "bands": ["red", "green", "blue"]}},
    "files": [
        {
            "pattern": r"mosaic_ENVISAT-MER_FRS_1PNPDE2006(?P<month>\d\d)(?P<day>\d\d)_.*_RGB_reduced\.tif",
            "record": "MER_2006{month}{day}",
            "time": "2006-{month}-{day}",
            "tags": {"area": "meris"},
            "datasets": [{"instance": "meris/rgb", "bands": [1, 2, 3], "nodata": 0}],
        }
    ],
    "collections": {
        "meris": {
            "record_tags": {"area": "meris"},
            "fields": {
                band: {"instance": "meris/rgb", "band": band} for band in ("red", "green", "blue")
            },
        }
    },
}  # fmt: skip


def casts(golden: dict[str, Any]) -> dict[str, Any]:
    """The nine storage encodings of one image: fields c0 to c8 of one record, handed out as real numbers."""
    files = []
    for number in range(9):
        one = golden["mappings"][f"image_cast{number}"]
        mapping = {"imin": one["min"], "imax": one["max"], "emin": one["ext_min"], "emax": one["ext_max"]}
        nodata = {"nan": float("nan"), "nan (none)": None}.get(one["nodata"], one["nodata"])
        files.append(
            {
                "pattern": rf"image_cast{number}\.tif",
                "record": "casts",
                "time": "2020-01-01",
                "tags": {"area": "casts"},
                "datasets": [
                    {
                        "instance": f"cast{number}/one",
                        "bands": [1],
                        "nodata": nodata,
                        "mapping": {**mapping, "exponent": one["exponent"]},
                    }
                ],
            }
        )
    real = {"dtype": "float64", "nodata": float("nan"), "bands": ["v"]}
    return {
        "variables": {f"cast{number}": real for number in range(9)},
        "files": files,
        "collections": {
            "casts": {
                "record_tags": {"area": "casts"},
                "fields": {f"c{number}": {"instance": f"cast{number}/one"} for number in range(9)},
            }
        },
    }


@pytest.fixture(scope="module")
def expected() -> Callable[[Path], Any]:
    """The published figures in a folder."""
    return lambda folder: json.loads((folder / "expected.json").read_text())


@pytest.fixture(scope="session")
def golden_folder(shared_data: Path) -> Path:
    return shared_data / "geocube-tutorial-32UNG-2019" / "server-expected"


@pytest.fixture(scope="session")
def golden(golden_folder: Path) -> dict[str, Any]:
    return json.loads((golden_folder / "golden.json").read_text())


@pytest.fixture(scope="session")
def archive(
    shared_data: Path,
    demo_data: Path,
    golden_folder: Path,
    golden: dict[str, Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> str:
    """The URL of a catalogue with all sets."""
    folder = tmp_path_factory.mktemp("published")
    for name, mapping in (("merges", MERGES), ("meris", MERIS), ("casts", casts(golden))):
        (folder / f"{name}.yml").write_text(yaml.safe_dump(mapping, sort_keys=False))
    url = f"sqlite:///{folder}/catalogue.sqlite"
    migrate(url)
    catalogue, outcomes = Catalogue(url), list[Outcome]()
    for mapping, files in (
        (EXAMPLES / "s2-romania.yml", demo_data / "s2-romania-2015-2021"),
        (EXAMPLES / "l8-paraguay.yml", demo_data / "l8-paraguay-2020"),
        (EXAMPLES / "l8-ny.yml", shared_data / "l8-ny-2018"),
        (EXAMPLES / "s2-eopatch.yml", shared_data / "s2-eopatch-slovenia-2015-2017"),
        (EXAMPLES / "mod13q1.yml", shared_data / "mod13q1-sinop"),
        (folder / "merges.yml", golden_folder),
        (folder / "casts.yml", golden_folder),
        (folder / "meris.yml", shared_data / "eox-autotest" / "meris"),
    ):
        Indexer(catalogue, read_mapping(mapping)).run([files], progress=outcomes.append)
    rules = read_mapping(EXAMPLES / "s2-33t.yml")
    Registrar(catalogue, rules).run([str(shared_data / "s2-l2a-33T-2023" / "catalog.json")], progress=outcomes.append)
    catalogue.close()
    assert [one for one in outcomes if one.status is Status.FAILED] == []
    return url


@pytest.fixture(scope="session", params=["auto", "rasterio"])
def kind(request: pytest.FixtureRequest) -> str:
    """`prismcube.engine.kind`."""
    return request.param


@pytest.fixture(scope="session")
def server(kind: str, archive: str, start: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """One worker, so that its metrics are all there is."""
    home = tmp_path_factory.mktemp("published-home")
    with start(home, "serve", "--workers", "1", CATALOGUE__URL=archive, ENGINE__KIND=kind) as running:
        yield running


@pytest.fixture
def fast(kind: str, server: Any) -> Iterator[None]:
    """The test reads GeoTIFFs alone: GDAL reads none of them, or all when it is told to."""
    before = server.metrics("prismcube_fallbacks_total")
    yield
    after = server.metrics("prismcube_fallbacks_total")
    told = {name: value - before.get(name, 0) for name, value in after.items() if value > before.get(name, 0)}
    if kind == "auto":
        assert told == {}
    else:
        assert [*told] == [TOLD]


@pytest.fixture
def by_gdal(server: Any) -> Iterator[None]:
    """The test reads files of which GDAL alone knows the format."""
    before = server.metrics("prismcube_fallbacks_total")
    yield
    after = server.metrics("prismcube_fallbacks_total")
    assert [name for name in after if after[name] > before.get(name, 0)] == [NO_TIFF]
