"""What a client sees when something behind the server breaks: never a trace, never a 500."""

import shutil

import pytest

from server.problems import STATUS
from tests import commands

S2 = "/collections/s2-romania"


@pytest.fixture
def fragile(demo, start, tmp_path, demo_data):
    """A server over a copy of the archive that a test may break."""
    folder = tmp_path / "archive"
    folder.mkdir()
    for path in sorted((demo_data / "s2-romania-2015-2021").glob("S2_2016*.tif"))[:3]:
        shutil.copy(path, folder)
    root = demo_data.parents[1]
    mapping = root / "examples" / "s2-romania.yml"
    commands.run("index", "--home", tmp_path / "home", "--mapping", mapping, "--brief", folder).check_returncode()
    with start(tmp_path / "home", "serve", "--workers", "1") as server:
        yield server, folder


def test_a_lost_file_costs_its_own_date_and_all_lost_is_a_bad_gateway(fragile):
    server, folder = fragile
    files = sorted(folder.glob("*.tif"))
    files[1].write_bytes(b"not a tiff any more")
    cube = server.tiff(f"{S2}/coverage", properties="B4")
    assert [tags["status"] for tags in cube.tags] == ["ok", "failed", "ok"]
    assert not cube.data[1].any()
    series = server.json(f"{S2}/position", coords="POINT(22.1522 45.2048)", parameter_name="B4")
    assert series["ranges"]["B4"]["values"][1] is None
    assert series["prismcube:status"][1] == {
        "status": "failed",
        "message": f"{files[1].name} could not be read: it is no raster",
    }
    area = "POLYGON((22.15 45.203,22.152 45.203,22.152 45.205,22.15 45.203))"
    counts = server.json(f"{S2}/area", coords=area, parameter_name="B4", reducer="count")["ranges"]["B4_count"][
        "values"
    ]
    assert counts[0] > 0
    assert counts[1] is None
    lost = {"status": "failed", "message": f"{files[1].name} could not be read: it is no raster"}
    assert server.json(f"{S2}/area", coords=area, reducer="mean")["prismcube:status"] == ["ok", lost, "ok"]
    whole = server.tiff(f"{S2}/coverage", properties="B4", group="all", mosaic="count")
    assert (whole.data == 2).all()
    assert whole.tags[0]["status"] == "partial"
    assert files[1].name in whole.tags[0]["message"]
    assert server.get(f"{S2}/map/tiles/WebMercatorQuad/14/5880/9200").status_code == 200
    for path in files:
        path.unlink(missing_ok=True)
    polygon = "POLYGON((22.15 45.203,22.152 45.203,22.152 45.205,22.15 45.203))"
    for path in (
        "/coverage",
        "/coverage?f=json",
        "/coverage?f=png&group=all",
        "/position?coords=POINT(22.1522 45.2048)",
        f"/area?coords={polygon}",
        f"/area?coords={polygon}&reducer=mean",
        "/map/tiles/WebMercatorQuad/14/5880/9200",
    ):
        problem = server.refused(S2 + path, status=502)
        assert f": {files[0].name} could not be read: it is not there" in problem["detail"]
        told = "the time step" if "group=all" in path or "tiles" in path else "not one of 3 time steps"
        assert problem["detail"].startswith(told)
        assert str(folder) not in str(problem), "paths of the server are nobody's business"
    assert files[0].name in server.output.read_text()


def test_a_lost_catalogue_is_unavailable(fragile):
    server, _ = fragile
    for path in server.home.glob("catalogue.sqlite*"):
        path.write_bytes(b"garbage" * 1000)
    for path in ("/collections", f"{S2}", f"{S2}/items", f"{S2}/coverage"):
        server.refused(path, status=503)
    server.refused("/readyz", status=503)
    assert server.get("/healthz").status_code == 200


def test_every_error_of_ours_has_a_status():
    from prismcube import errors
    from prismcube.jobs.leader import NotLeader
    from prismcube.storage.doors import Closed

    def leaves(kind):
        return [kind, *(leaf for sub in kind.__subclasses__() for leaf in leaves(sub))]

    # Those of the server itself are answered where they are raised (server.authentication), and closed doors by the
    # downloader alone, which has them (providers.plans). Who leads is between orchestrators.
    ours = [
        one
        for one in leaves(errors.PrismcubeError)[1:]
        if one.__module__.startswith(("prismcube.", "providers.")) and one not in (Closed, NotLeader)
    ]
    for kind in ours:
        assert any(issubclass(kind, known) for known in STATUS), kind
