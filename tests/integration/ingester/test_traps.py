"""Files of real archives that are odd: each taken, or refused for the reason that its README gives."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from ingester.index import Indexer, Outcome, Status, parse_mapping
from ingester.register import derive_mapping
from ingester.register.items import read_item
from ingester.register.sources import Found, walk
from prismcube.catalogue import Catalogue
from prismcube.errors import SourceError

ANY: dict[str, Any] = {
    "variables": {"v": {"bands": ["b"], "dtype": "float32"}},
    "files": [{"pattern": r".*", "record": "r", "time": "2020-01-01", "datasets": [{"instance": "v/i", "bands": [1]}]}],
    "collections": {"c": {"fields": {"b": {"instance": "v/i"}}}},
}


def test_ground_control_points_only_are_refused_with_advice(catalogue: Catalogue, shared_data: Path) -> None:
    [file] = (shared_data / "eox-autotest" / "asar").glob("*.tiff")
    outcomes: list[Outcome] = []
    Indexer(catalogue, parse_mapping(ANY)).run([file], progress=outcomes.append)
    [outcome] = outcomes
    assert outcome.status is Status.FAILED
    assert file.name in outcome.reason
    assert "ground control points only" in outcome.reason


def test_radar_placeholders_fail_alone(catalogue: Catalogue, shared_data: Path) -> None:
    folder = shared_data / "safe-s1" / "grd"
    files = [*folder.rglob("*.tiff"), shared_data / "eox-autotest" / "scl" / "scl_small.tif"]
    outcomes: list[Outcome] = []
    summary = Indexer(catalogue, parse_mapping(ANY)).run(files, progress=outcomes.append)
    assert (summary.created, summary.failed) == (1, len(files) - 1)
    assert all(one.path.name in one.reason for one in outcomes if one.status is Status.FAILED)


@pytest.mark.parametrize(
    "name",
    ["misc/crosses_dateline.tif", "cci/ssmv_CCI_L3_v02.2_201411.tif", "scl/SCL_clipped.tif", "meris/*_0058_*.jp2"],
)
def test_odd_but_usable(catalogue: Catalogue, shared_data: Path, name: str) -> None:
    [file] = (shared_data / "eox-autotest").glob(name)
    outcomes: list[Outcome] = []
    Indexer(catalogue, parse_mapping(ANY)).run([file], progress=outcomes.append)
    assert [one.status for one in outcomes] == [Status.CREATED], outcomes


def test_a_band_in_a_product_that_is_still_zipped(catalogue: Catalogue, shared_data: Path) -> None:
    member = "GRANULE/L1C_T{tile}_*/IMG_DATA/T{tile}_{day}T{time}_B01.jp2"
    rules = copy.deepcopy(ANY)
    rules["files"] = [
        {
            "pattern": r"S2A_MSIL1C_(?P<day>\d{8})T(?P<time>\d{6})_N\d{4}_R\d{3}_T(?P<tile>\w{5})_\w+\.zip",
            "record": "{tile} {day}",
            "time": "2018-01-01",
            "subdir": f"zip/{member}",
            "datasets": [{"instance": "v/i", "bands": [1], "nodata": 0}],
        }
    ]
    outcomes: list[Outcome] = []
    Indexer(catalogue, parse_mapping(rules)).run(shared_data.glob("safe-s2/*.zip"), progress=outcomes.append)
    assert [one.status for one in outcomes] == [Status.CREATED], outcomes
    extent = catalogue.collections.get("c").extent
    assert extent is not None
    assert (extent.native.crs, extent.native.shape) == ("EPSG:32631", (1830, 1830))


def test_every_published_item_is_read(shared_data: Path) -> None:
    """All versions from 0.7.0 to 1.1.0, without a datetime, without hrefs."""
    found = list(walk(str(path) for path in sorted((shared_data / "stac").glob("items-*.ndjson.gz"))))
    assert len(found) == 2471
    items = [read_item(one) for one in found if isinstance(one, Found)]
    assert len(items) == 2471
    assert all(one.values["datetime"].endswith("Z") for one in items)
    assert max(one.time.year for one in items) <= 2100


def test_items_whose_files_are_out_of_reach(shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(uri: str, subdir: str = "", *, deep: bool = False) -> Any:
        del subdir, deep
        raise SourceError(uri, "can't be reached")

    monkeypatch.setattr("ingester.register.derive.inspect", refuse)
    with pytest.raises(SourceError, match="no asset of the items can be used"):
        derive_mapping([str(shared_data / "stac" / "items-naip.ndjson.gz")], "naip")
