"""Compiled kernels: there before a server says that it is ready, kept for the next one, and no reason to wait."""

import time
from pathlib import Path

S2 = "/collections/s2-romania"
WARPED = {"crs": "EPSG:3857", "datetime": "2016-03-18", "properties": "B4"}


def state(folder):
    return {path: path.stat().st_mtime_ns for path in sorted(folder.rglob("*"))}


def kernels_of(server):
    """The folder that its environment names."""
    variables = Path(f"/proc/{server.pid}/environ").read_text().split("\0")
    return Path(dict(one.partition("=")[::2] for one in variables)["NUMBA_CACHE_DIR"])


def another(demo, start, home, **more):
    """A server of one worker over the demo's catalogue."""
    return start(home, "serve", "--workers", "1", CATALOGUE__URL=f"sqlite:///{demo.home}/catalogue.sqlite", **more)


def test_the_first_request_compiles_nothing(demo, start, tmp_path):
    """The demo has compiled all kernels, or found them."""
    kernels = kernels_of(demo)
    with another(demo, start, tmp_path) as server:
        before = state(kernels)
        assert len(before) > 40
        assert "compiling" not in server.output.read_text()
        for resampling in ("nearest", "bilinear", "cubic", "average"):
            server.ok(f"{S2}/coverage", resampling=resampling, **WARPED)
        server.ok(f"{S2}/coverage", datetime="2016-03-18", properties="ndvi")
        server.ok(f"{S2}/coverage", datetime="2016-03-18", properties="B4", mask="SCL:4-7")
        server.ok(f"{S2}/map/tiles/WebMercatorQuad/14/5880/9200")
        for fields in ("B4", "ndvi"):
            size = {"scale-size": "Lon(1200),Lat(1200)"}
            server.ok(f"{S2}/coverage", f="cog", datetime="2016-03-18", properties=fields, **size)
        after = server.metrics()
        assert state(kernels) == before
        assert after["prismcube_compilations_total"] == 0
        assert after['prismcube_blocks_total{how="decoded"}'] > 0
        assert not server.metrics("prismcube_fallbacks_total")


def test_until_there_are_kernels_gdal_reads(demo, start, tmp_path):
    with another(demo, start, tmp_path, wait="/healthz", kernels=tmp_path / "kernels") as server:
        assert "compiling kernels" in server.output.read_text()
        problem = server.refused("/readyz", status=503)
        assert "kernels" in problem["detail"]
        found = server.tiff(f"{S2}/coverage", resampling="bilinear", **WARPED)
        expected = demo.tiff(f"{S2}/coverage", resampling="bilinear", **WARPED)
        assert abs(found.data.astype(int) - expected.data).max() <= 1
        assert ((found.data == 0) == (expected.data == 0)).all()
        after = server.metrics()
        assert after['prismcube_fallbacks_total{reason="kernels are being compiled"}'] == 1
        assert after["prismcube_compilations_total"] == 0
        (worker,) = server.workers()
        children = Path(f"/proc/{worker}/task").glob("*/children")
        compiling = [int(pid) for file in children for pid in file.read_text().split()]
        assert len(compiling) == 2
    deadline = time.monotonic() + 120
    while any(Path(f"/proc/{pid}").exists() for pid in compiling):  # they end with their server
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_gdal_reads_everything_if_it_is_told_to(demo, start, tmp_path):
    empty = tmp_path / "kernels"
    with another(demo, start, tmp_path, ENGINE__KIND="rasterio", kernels=empty) as server:
        server.ok(f"{S2}/coverage", resampling="bilinear", **WARPED)
        assert server.metrics("prismcube_fallbacks_total") == {
            'prismcube_fallbacks_total{reason="the settings say rasterio"}': 1
        }
        assert not list(empty.glob("*/*")), "nobody needs kernels"


def test_the_limits_of_the_engine_are_those_of_the_settings(demo, start, tmp_path):
    with another(demo, start, tmp_path, ENGINE__THREADS="3", ENGINE__CACHE_BYTES="1") as server:
        for _ in range(2):
            server.ok(f"{S2}/coverage", datetime="2016-03-18", properties="B4")
        after = server.metrics()
        assert after['prismcube_pool_size{pool="cpu"}'] == 3
        assert after["prismcube_block_cache_bytes"] == 0
        assert after['prismcube_blocks_total{how="kept"}'] == 0
    before = demo.metrics()
    for _ in range(4):  # two workers
        demo.ok(f"{S2}/coverage", datetime="2016-03-18", properties="B4")
    time.sleep(6)  # each worker looks at itself every five seconds
    after = demo.metrics()
    assert after['prismcube_blocks_total{how="kept"}'] > before.get('prismcube_blocks_total{how="kept"}', 0)
    assert after["prismcube_storage_read_bytes_total"] > 0
    assert after["prismcube_block_cache_bytes"] > 0
