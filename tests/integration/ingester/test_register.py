"""Registering STAC items: what is taken, refused, replaced and left alone, from this machine and from others."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from affine import Affine
from typer.testing import CliRunner

from ingester import planning
from ingester.index import Options, Outcome, Status, Summary, parse_mapping
from ingester.register import Registrar, derive_mapping, registrar
from prismcube.catalogue import Catalogue
from prismcube.errors import SourceError
from server.cli import typer_app

ANYWHERE = {"type": "Polygon", "coordinates": [[[15, 45], [15.1, 45], [15.1, 45.2], [15, 45.2], [15, 45]]]}


def write(path: Path, *, bands: int = 1, dtype: str = "uint8", value: int = 1, **changes: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    profile = {"driver": "GTiff", "width": 8, "height": 4, "count": bands, "dtype": dtype, "crs": "EPSG:32633"}
    profile |= {"transform": Affine(10, 0, 500_000, 0, -10, 5_000_000), "nodata": 0, **changes}
    with rasterio.open(path, "w", **profile) as file:
        file.write(np.full((bands, 4, 8), value, dtype=dtype))
        for band in range(1, bands + 1):
            file.set_band_description(band, f"2020-01-{band:02}")
    return path


def item(name: str = "I", *, properties: dict[str, Any] | None = None, **assets: Any) -> dict[str, Any]:
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": name,
        "geometry": None,
        "properties": {"datetime": "2020-01-01T10:00:00Z", "platform": "p", **(properties or {})},
        "links": [],
        "assets": {key: {"href": one} if isinstance(one, str) else one for key, one in assets.items()},
    }


def save(path: Path, document: Any) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))
    return str(path)


def mapping(key: str = "red", *, bands: int = 1, asset: dict[str, Any] | None = None, **dataset: Any) -> Any:
    names = [f"b{number}" for number in range(1, bands + 1)]
    numbers = list(range(1, bands + 1))
    holds = {"key": key, "datasets": [{"instance": "v/i", "bands": numbers} | dataset]} | (asset or {})
    return parse_mapping(
        {
            "variables": {"v": {"bands": names, "dtype": "uint8", "nodata": 0}},
            "items": [{"tags": {"platform": "{properties.platform}"}, "assets": [holds]}],
            "collections": {"c": {"fields": {"b": {"instance": "v/i", "band": "b1"}}}},
        }
    )


def run(
    catalogue: Catalogue, rules: Any, *sources: str, assets: tuple[str, ...] = (), **options: Any
) -> tuple[Summary, dict[str, Outcome]]:
    outcomes: list[Outcome] = []
    registrar = Registrar(catalogue, rules, Options(**options), assets=assets)
    return registrar.run(sources, progress=outcomes.append), {one.name: one for one in outcomes}


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files whose headers were read."""
    uris: list[str] = []

    def inspect(uri: str, subdir: str = "", *, deep: bool = False) -> Any:
        uris.append(uri)
        return original(uri, subdir, deep=deep)

    original = planning.inspect
    monkeypatch.setattr(planning, "inspect", inspect)
    return uris


def test_what_is_taken_and_what_not(catalogue: Catalogue, tmp_path: Path) -> None:
    write(tmp_path / "red.tif")
    (tmp_path / "text.tif").write_text("no raster")
    document = item(
        red="red.tif",
        nir="text.tif",
        swir="gone.tif",
        meta={"href": "meta.xml", "type": "application/xml", "roles": ["metadata"]},
        visual={"href": "visual.tif", "roles": ["overview"]},
        none={},
    )
    summary, outcomes = run(catalogue, mapping("red|nir|swir|none"), save(tmp_path / "item.json", document))
    assert {name: one.status.value for name, one in outcomes.items()} == {
        "I/red": "created",
        "I/nir": "failed",
        "I/swir": "failed",
        "I/none": "failed",
        "I/meta": "skipped",
        "I/visual": "skipped",
    }
    assert summary == Summary(created=1, skipped=2, failed=3, collections=("c",))
    assert "text.tif" in outcomes["I/nir"].reason
    assert "not found" in outcomes["I/swir"].reason
    assert outcomes["I/none"].reason == "I/none: has no href"
    assert outcomes["I/meta"].reason == "is application/xml"
    assert outcomes["I/visual"].reason == "is a picture (role overview)"
    [(record, _)] = catalogue.records.items(catalogue.collections.get("c"))
    assert (record.name, record.tags) == ("I", {"platform": "p"})


def test_only_the_assets_asked_for(catalogue: Catalogue, tmp_path: Path) -> None:
    source = save(tmp_path / "item.json", item(red=str(write(tmp_path / "a.tif")), nir=str(write(tmp_path / "b.tif"))))
    _, outcomes = run(catalogue, mapping("red|nir", nodata=0), source, assets=("nir",))
    assert list(outcomes) == ["I/nir"]


def test_items_that_no_rule_takes(catalogue: Catalogue, tmp_path: Path) -> None:
    rules = mapping()
    source = save(tmp_path / "items.json", {"type": "FeatureCollection", "features": [item(), item("J", red="x.tif")]})
    _, outcomes = run(catalogue, rules, source, str(tmp_path / "gone.json"))
    assert outcomes["I"].reason == "has no assets"
    assert outcomes["J/red"].status is Status.FAILED
    [gone] = [one for name, one in outcomes.items() if "gone.json" in name]
    assert gone.status is Status.FAILED


BAD = [
    {"stac_version": None},
    {"properties": {"datetime": "0001-01-01T00:00:00+14:00"}},
    {"collection": {"a": 1}},
    {"id": {}},
    {"assets": [1]},
    {"links": 5},
]


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("form", ["collection", "lines"])
def test_a_bad_item_fails_alone(catalogue: Catalogue, tmp_path: Path, bad: dict[str, Any], form: str) -> None:
    write(tmp_path / "red.tif")
    features = [item("J", red="red.tif") | bad, 5, item("I", red="red.tif")]
    text = json.dumps({"type": "FeatureCollection", "features": features})
    (tmp_path / "items").write_text(text if form == "collection" else "\n".join(map(json.dumps, features)))
    summary, outcomes = run(catalogue, mapping(), str(tmp_path / "items"))
    assert (summary.created, summary.failed) == (1, 2)
    assert outcomes["I/red"].status is Status.CREATED
    [told] = [one for one in outcomes.values() if "is no STAC item:" in one.reason or "is no STAC item (" in one.reason]
    assert "id" in bad or "'J'" in told.name
    assert derive_mapping([str(tmp_path / "items")], "x").document["variables"]


def test_claims_that_cant_be_compared(catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any) -> None:
        raise RecursionError("deep")

    monkeypatch.setattr(registrar, "differences", fail)
    source = save(tmp_path / "item.json", item(red=str(write(tmp_path / "red.tif"))))
    _, outcomes = run(catalogue, mapping(), source)
    assert outcomes["I/red"].status is Status.CREATED
    assert outcomes["I/red"].notes == ("what the item says of it can't be compared (RecursionError: deep)",)


def test_a_report_when_nothing_is_usable(tmp_path: Path) -> None:
    sources = [save(tmp_path / "bad.json", item() | {"stac_version": None}), str(tmp_path / "gone.json")]
    report = tmp_path / "report"
    found = CliRunner().invoke(
        typer_app,
        ["register", "--collection", "c", "--home", str(tmp_path / "home"), "--report", str(report), *sources],
    )
    assert found.exit_code
    lines = [json.loads(line) for line in report.read_text().splitlines()]
    assert [(one["name"], one["status"]) for one in lines] == [(source, "failed") for source in sources]
    assert "it needs a stac_version" in lines[0]["reason"]


def test_again_without_opening_what_has_not_changed(catalogue: Catalogue, tmp_path: Path, opened: list[str]) -> None:
    files = [write(tmp_path / f"{n}.tif") for n in range(80)]
    source = save(
        tmp_path / "items.json",
        {"type": "FeatureCollection", "features": [item(f.stem, red=f.name) for f in files]},
    )
    assert run(catalogue, mapping(nodata=0), source)[0].created == 80
    assert len(opened) == 80
    opened.clear()
    assert run(catalogue, mapping(nodata=0), source)[0].unchanged == 80
    assert opened == []
    write(files[3], width=9)
    summary, outcomes = run(catalogue, mapping(nodata=0), source)
    assert (summary.updated, summary.unchanged, len(opened)) == (1, 79, 1)
    assert outcomes["3/red"].status is Status.UPDATED
    opened.clear()
    assert run(catalogue, mapping(nodata=0), source, deep=True)[0].unchanged == 80
    assert len(opened) == 80


def test_rules_that_leave_nodata_to_the_file_open_the_first(
    catalogue: Catalogue, tmp_path: Path, opened: list[str]
) -> None:
    files = [write(tmp_path / f"{n}.tif", nodata=5) for n in range(60)]
    source = save(
        tmp_path / "items.json",
        {"type": "FeatureCollection", "features": [item(f.stem, red=f.name) for f in files]},
    )
    assert run(catalogue, mapping(), source, threads=1)[0].created == 60
    opened.clear()
    assert run(catalogue, mapping(), source, threads=1)[0].unchanged == 60
    assert 0 < len(opened) < 20
    # A mapping that once said nodata otherwise is noticed, since what is stored is compared.
    assert run(catalogue, mapping(nodata=7), source, replace=True)[0].updated == 60
    summary, outcomes = run(catalogue, mapping(), source)
    assert summary.failed == 60
    assert "format is" in outcomes["0/red"].reason


CHANGES = [
    ({"nodata": 9}, "format is"),
    ({"mapping": {"imax": 100, "emax": 50}}, "mapping is"),
    ({"instance": "v/other"}, "instance is 'v/i', not 'v/other'"),
]


@pytest.mark.parametrize(("change", "reason"), CHANGES)
def test_a_changed_mapping_is_refused_or_replaces(
    catalogue: Catalogue, tmp_path: Path, change: dict[str, Any], reason: str
) -> None:
    source = save(tmp_path / "item.json", item(red=str(write(tmp_path / "red.tif"))))
    rules = {"nodata": 0} | change
    run(catalogue, mapping(nodata=0), source)
    before = catalogue.datasets.count()
    _, outcomes = run(catalogue, mapping(**rules), source)
    assert outcomes["I/red"].status is Status.FAILED
    assert reason in outcomes["I/red"].reason
    _, outcomes = run(catalogue, mapping(**rules), source, replace=True)
    assert outcomes["I/red"].status is Status.UPDATED
    assert run(catalogue, mapping(**rules), source)[0].unchanged == 1
    assert catalogue.datasets.count() == before


def test_an_item_that_says_another_record_is_refused_or_replaces(catalogue: Catalogue, tmp_path: Path) -> None:
    file = write(tmp_path / "red.tif")
    first, second = (save(tmp_path / f"{name}.json", item(name, red=file.name)) for name in ("A", "B"))
    run(catalogue, mapping(), first)
    _, outcomes = run(catalogue, mapping(), second)
    assert "record is 'A'" in outcomes["B/red"].reason
    assert run(catalogue, mapping(), second, replace=True)[0].updated == 1


def test_bands_that_are_divided_otherwise(catalogue: Catalogue, tmp_path: Path) -> None:
    source = save(tmp_path / "item.json", item(red=str(write(tmp_path / "red.tif", bands=2))))

    def rules(*datasets: tuple[str, list[int]]) -> Any:
        blocks = [{"instance": f"{name}/i", "bands": bands} for name, bands in datasets]
        return parse_mapping(
            {
                "variables": {name: {"bands": ["a", "b"][: len(bands)], "dtype": "uint8"} for name, bands in datasets},
                "items": [{"assets": [{"key": "red", "datasets": blocks}]}],
                "collections": {"c": {"fields": {"b": {"instance": f"{datasets[0][0]}/i", "band": "a"}}}},
            }
        )

    together, apart = rules(("both", [1, 2])), rules(("first", [1]), ("second", [2]))
    run(catalogue, together, source)
    for now, number in ((apart, 2), (together, 1)):
        _, outcomes = run(catalogue, now, source)
        assert outcomes["I/red"].status is Status.FAILED
        _, outcomes = run(catalogue, now, source, replace=True)
        assert outcomes["I/red"].status is Status.UPDATED, outcomes
        assert run(catalogue, now, source)[0].unchanged == 1
        assert catalogue.datasets.count() == number


def test_dry_run_writes_nothing(catalogue: Catalogue, tmp_path: Path) -> None:
    good, bad = write(tmp_path / "red.tif"), tmp_path / "bad.tif"
    bad.touch()
    source = save(
        tmp_path / "items.json",
        {"type": "FeatureCollection", "features": [item("A", red=good.name), item("B", red=bad.name)]},
    )
    summary, _ = run(catalogue, mapping(), source, dry_run=True)
    assert (summary.created, summary.failed, summary.collections) == (1, 1, ())
    assert catalogue.datasets.count() == 0
    assert catalogue.collections.list() == []
    assert catalogue.variables.list() == []
    run(catalogue, mapping(), source)
    summary, outcomes = run(catalogue, mapping(nodata=9), source, dry_run=True)
    assert "format is" in outcomes["A/red"].reason
    assert run(catalogue, mapping(nodata=9), source, dry_run=True, replace=True)[0].updated == 1
    assert run(catalogue, mapping(), source)[0].unchanged == 1


def test_a_file_that_is_cut_off_or_damaged(catalogue: Catalogue, tmp_path: Path) -> None:
    file = write(tmp_path / "red.tif", width=512, height=512, tiled=True, compress="deflate")
    with rasterio.open(file, "r+") as opened:
        opened.write(np.random.default_rng(0).integers(1, 255, (1, 512, 512), dtype=np.uint8))
    whole = file.read_bytes()
    source = save(tmp_path / "item.json", item(red=file.name))
    file.write_bytes(whole[: len(whole) * 2 // 3])
    _, outcomes = run(catalogue, mapping(), source)
    assert outcomes["I/red"].status is Status.FAILED
    assert "red.tif" in outcomes["I/red"].reason
    middle = len(whole) // 2
    file.write_bytes(whole[:middle] + bytes(1000) + whole[middle + 1000 :])
    _, outcomes = run(catalogue, mapping(), source, deep=True)
    assert outcomes["I/red"].status is Status.FAILED
    assert run(catalogue, mapping(), source)[0].created == 1  # only its pixels tell


def test_band_subset_and_stack(catalogue: Catalogue, tmp_path: Path) -> None:
    file = write(tmp_path / "stack.tif", bands=3)
    rules = mapping("stack", asset={"stack": {}})
    document = item(stack=file.name)
    document["properties"]["x"] = "y"
    rules = parse_mapping(
        {
            "variables": {"v": {"bands": ["b"], "dtype": "uint8"}, "w": {"bands": ["x", "y"], "dtype": "uint8"}},
            "items": [
                {
                    "record": "{id} {date}",
                    "time": "{date}",
                    "assets": [{"key": "stack", "stack": {}, "datasets": [{"instance": "v/i", "bands": [1]}]}],
                }
            ],
            "collections": {"c": {"fields": {"b": {"instance": "v/i"}}}},
        }
    )
    source = save(tmp_path / "item.json", document)
    assert run(catalogue, rules, source)[0].created == 1
    records = [record for record, _ in catalogue.records.items(catalogue.collections.get("c"))]
    assert [one.name for one in records] == ["I 2020-01-01", "I 2020-01-02", "I 2020-01-03"]
    assert [f"{one.time:%d}" for one in records] == ["01", "02", "03"]
    assert run(catalogue, rules, source)[0].unchanged == 1


def test_times_of_a_netcdf_file(catalogue: Catalogue, tmp_path: Path) -> None:
    file = write(tmp_path / "a.tif", bands=2)
    with rasterio.open(file, "r+") as opened:
        dimension = {"NETCDF_DIM_EXTRA": "{time}", "NETCDF_DIM_time_DEF": "{2,6}", "NETCDF_DIM_time_VALUES": "{10,11}"}
        opened.update_tags(**dimension, **{"time#units": "days since 2020-01-01"})
        for band in (1, 2):
            opened.update_tags(band, NETCDF_DIM_time=str(9 + band))
    rasterio.shutil.copy(file, tmp_path / "a.nc", driver="netCDF")
    rules = parse_mapping(
        {
            "variables": {"v": {"bands": ["b"], "dtype": "uint8"}},
            "items": [
                {
                    "record": "{id} {date}",
                    "time": "{date}",
                    "assets": [
                        {
                            "key": "sst",
                            "stack": {"dates": "times"},
                            "datasets": [{"instance": "v/i", "bands": [1], "nodata": 0}],
                        }
                    ],
                }
            ],
            "collections": {"c": {"fields": {"b": {"instance": "v/i"}}}},
        }
    )
    _, outcomes = run(catalogue, rules, save(tmp_path / "item.json", item(sst="a.nc")))
    assert outcomes["I/sst"].status is Status.CREATED, outcomes
    records = [record for record, _ in catalogue.records.items(catalogue.collections.get("c"))]
    assert [f"{one.time:%Y-%m-%d}" for one in records] == ["2020-01-11", "2020-01-12"]
    _, outcomes = run(catalogue, rules, save(tmp_path / "item2.json", item(sst="a.tif")))
    assert outcomes["I/sst"].status is Status.CREATED  # a TIFF that keeps the tags will do as well


def test_band_that_is_not_there(catalogue: Catalogue, tmp_path: Path) -> None:
    source = save(tmp_path / "item.json", item(red=str(write(tmp_path / "red.tif"))))
    _, outcomes = run(catalogue, mapping(bands=2), source)
    assert "has 1 band(s); v needs band 2" in outcomes["I/red"].reason


def test_a_member_of_an_archive(catalogue: Catalogue, tmp_path: Path) -> None:
    write(tmp_path / "red.tif")
    with zipfile.ZipFile(tmp_path / "product.zip", "w") as archive:
        archive.write(tmp_path / "red.tif", "IMG_DATA/I_red.tif")
    source = save(tmp_path / "item.json", item(product="product.zip"))
    rules = mapping("product", asset={"subdir": "zip/IMG_DATA/{id}_red.tif"})
    assert run(catalogue, rules, source)[0].created == 1, run(catalogue, rules, source)
    assert run(catalogue, rules, source)[0].unchanged == 1


def test_a_directory_of_a_tiff(catalogue: Catalogue, tmp_path: Path) -> None:
    file = write(tmp_path / "two.tif")
    with rasterio.open(file, "r+") as opened:
        opened.build_overviews([2])
    source = save(tmp_path / "item.json", item(two=file.name))
    assert run(catalogue, mapping("two", asset={"subdir": "GTIFF_DIR:1"}), source)[0].created == 1


def test_without_a_mapping(catalogue: Catalogue, tmp_path: Path) -> None:
    write(tmp_path / "rgb.tif", bands=3)
    write(tmp_path / "dem.tif", dtype="float32", nodata=None)
    bands = [{"name": name, "common_name": name.lower()} for name in ("Red", "Green", "Blue")]
    document = item(
        rgb={"href": "rgb.tif", "eo:bands": bands, "title": "Colours"},
        dem={"href": "dem.tif", "raster:bands": [{"nodata": -9999, "unit": "m"}]},
        info={"href": "info.json", "type": "application/json"},
        far="gone.tif",
    )
    source = save(tmp_path / "item.json", document)
    derived = derive_mapping([source], "auto")
    assert set(derived.left_out) == {"info", "far"}
    assert "# far: not found" in derived.yaml
    rules = parse_mapping(derived.document)
    assert run(catalogue, rules, source)[0].created == 2
    collection = catalogue.collections.get("auto")
    assert [one.name for one in collection.fields] == ["Red", "Green", "Blue", "dem"]
    assert collection.style is not None
    dem = collection.stored_fields[-1]
    assert (dem.format.dtype, dem.format.nodata, dem.unit) == ("float32", -9999, "m")
    with pytest.raises(SourceError, match="no asset of the items can be used"):
        derive_mapping([source], "auto", assets=("far",))
    with pytest.raises(SourceError, match=r"gone\.json"):
        derive_mapping([str(tmp_path / "gone.json")], "auto")
