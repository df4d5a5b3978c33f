"""A bucket as the folder whose files are ours: written, extended, cancelled and deleted like a local one."""

from __future__ import annotations

import logging
import urllib.request
from collections.abc import Iterator
from typing import Any

import boto3
import numpy as np
import pytest
import rasterio
import xarray
from affine import Affine
from moto.server import ThreadedMotoServer
from zarr.storage import ZipStore

from prismcube.consolidation import export
from prismcube.model.collection import Collection, StoredField
from prismcube.model.formats import DataFormat
from prismcube.model.grid import Grid
from prismcube.storage import buckets
from processes import export_cube

GRID = Grid("EPSG:32633", Affine(10, 0, 500_000, 0, -10, 5_000_000), 100, 150)


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A bucket `ours` on an S3 server of the test's own; a client of boto3. The environment leads our stores there."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    endpoint = "http://{}:{}".format(*server.get_host_and_port())
    values = {"ACCESS_KEY_ID": "id", "SECRET_ACCESS_KEY": "SECRET", "REGION": "us-east-1", "ALLOW_HTTP": "true"}
    for name, value in {**values, "ENDPOINT_URL": endpoint}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    buckets.forget()
    client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1")
    with urllib.request.urlopen(urllib.request.Request(f"{endpoint}/moto-api/reset", method="POST")):
        pass  # buckets of the test before
    client.create_bucket(Bucket="ours")
    yield client
    client.close()
    server.stop()
    buckets.forget()


@pytest.fixture
def remote(sqlite_bench, bucket, pixels):
    bench = sqlite_bench
    bench.catalogue.managed = "s3://ours/prism"
    bench.variable()
    for day in range(2):
        bench.add(pixels(100, 150, seed=day, empty=[(slice(0, 40), slice(0, 70))]), day=day)
    return bench


def keys(bucket):
    return [one["Key"] for one in bucket.list_objects_v2(Bucket="ours").get("Contents", [])]


def test_files_are_put_into_the_bucket_extended_and_deleted(remote, bucket, pixels, same_cubes):
    before = remote.cube(GRID)
    layout = remote.layout()
    settings = {"storage_class": "infrequent"}
    job = remote.consolidate(instances=["v/i"], layout=layout, consolidation=settings).run()
    assert job.stage.name == "done", job.error
    same_cubes(before, remote.cube(GRID))
    assert len(keys(bucket)) == 6
    assert all(key.startswith("prism/consolidated/cells/job-1/v/i/") for key in keys(bucket))
    head = bucket.head_object(Bucket="ours", Key=keys(bucket)[0])
    assert head["StorageClass"] == "STANDARD_IA"
    again = remote.consolidate(instances=["v/i"], layout=layout, consolidation=settings).run()
    assert (again.results["files"], again.results["kept"]) == (0, 12)
    remote.add(pixels(100, 150, seed=9), day=9)
    before = remote.cube(GRID)
    job = remote.consolidate(instances=["v/i"], layout=layout, consolidation=settings).run()
    assert job.stage.name == "done", job.error
    same_cubes(before, remote.cube(GRID))
    remote.jobs[job.results["deletion"]].run()
    assert all("/job-3/" in key for key in keys(bucket))
    same_cubes(before, remote.cube(GRID))
    assert remote.delete(instances=["v/i"]).run().stage.name == "done"
    assert keys(bucket) == []


def test_cancel_empties_the_bucket(remote, bucket):
    job = remote.consolidate(instances=["v/i"], layout=remote.layout()).run(until="swap")
    assert keys(bucket)
    job.cancel()
    assert job.stage.name == "cancelled", job.error
    assert keys(bucket) == []


def test_a_bucket_that_is_not_there_fails_and_is_named(remote, bucket):
    remote.catalogue.managed = "s3://nowhere/prism"
    job = remote.consolidate(instances=["v/i"], layout=remote.layout()).run()
    assert job.stage.name == "consolidate-failed"
    assert "s3://nowhere/prism" in job.error


@pytest.fixture
def collection(remote, monkeypatch):
    """`c`, whose exports have a part for each of its two dates."""
    field = StoredField(name="b", instance_id=1, band=0, format=DataFormat(dtype="uint16", nodata=0))
    remote.catalogue.collections.put(Collection(name="c", fields=(field,)))
    monkeypatch.setattr(export, "PART_BYTES", 100 * 150 * 2)


@pytest.mark.parametrize("format", ["netcdf", "zarr", "cog"])
def test_cubes_are_exported_into_the_bucket(remote, bucket, collection, tmp_path, format):
    before = remote.cube(GRID)
    job = remote.job(export_cube.PROCESS, collection="c", format=format).run()
    assert job.stage.name == "done", job.error
    assert len(job.tasks["compute"]) == 2
    [key] = keys(bucket)
    cube = job.results["cube"]
    assert cube["href"] == f"s3://ours/{key}"
    bucket.download_file("ours", key, str(tmp_path / "cube"))
    assert cube["bytes"] == (tmp_path / "cube").stat().st_size
    for step, (values, _) in enumerate(before.values()):
        np.testing.assert_array_equal(_read(tmp_path / "cube", format, step), values[0])


def _read(path, format, step):
    if format == "cog":
        with rasterio.open(path) as file:
            return file.read(step + 1)
    if format == "netcdf":
        with xarray.open_dataset(path, engine="h5netcdf", mask_and_scale=False) as file:
            return file["b"].values[step]
    with ZipStore(path, mode="r") as store:
        return xarray.open_zarr(store, mask_and_scale=False)["b"].values[step]


def test_an_export_that_is_cancelled_leaves_nothing_in_the_bucket(remote, bucket, collection):
    job = remote.job(export_cube.PROCESS, collection="c").run(until="clean")
    assert len(keys(bucket)) == 2 * 2 + 1, "plans and pixels of parts, and the cube"
    job.cancel()
    assert job.stage.name == "cancelled"
    assert keys(bucket) == []


def test_a_part_that_is_lost_is_told(remote, bucket, collection):
    job = remote.job(export_cube.PROCESS, collection="c").run(until="write")
    [part] = [key for key in keys(bucket) if key.endswith("000001.npz")]
    bucket.delete_object(Bucket="ours", Key=part)
    job.run()
    assert (job.stage.name, part in str(job.error)) == ("write-failed", True)
