"""What gunicorn's master may load before it forks."""

import os
import signal
import subprocess
import sys

import pytest

from server import run
from server.run import figures_folder, figures_place

HEAVY = ("h5netcdf", "h5py", "zarr", "rio_cogeo", "xarray", "pandas", "scipy")


def loaded(code):
    told = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}\nprint(*sys.modules)"], check=True, capture_output=True, text=True
    )
    return set(told.stdout.split())


def test_the_master_touches_no_gdal(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    settings = "server.cli.options.settings_for(None)"
    modules = loaded(f"import server.cli.options, server.run as s; s.preload(); s.preload_kernels({settings})")
    assert {"flask", "numba"} <= modules
    # prometheus-client looks for its folder when it is imported, which is not there yet.
    assert not {"rasterio", "obstore", "prometheus_client", "pygeoapi.flask_app"} & modules


def test_a_worker_loads_no_encoder_before_it_is_asked_for():
    assert not set(HEAVY) & loaded("import server.asgi")


def test_who_leads_jobs_or_asks_for_them_loads_neither_kernels_nor_gdal():
    assert not {"numba", "rasterio"} & loaded("import server.jobs.run, server.jobs.runtime, server.cli.job")


def test_the_folder_of_figures(tmp_path):
    left = tmp_path / "prismcube-metrics-left"
    left.mkdir()
    (left / "lock").touch()
    with figures_folder(tmp_path) as one:
        assert not left.exists(), "whose server has gone"
        with figures_folder(tmp_path) as other:
            assert one.exists(), "whose server lives"
            assert other != one
        assert not other.exists()
    assert list(tmp_path.iterdir()) == []


def test_the_folder_is_swept_when_the_server_fails(tmp_path):
    with pytest.raises(KeyError), figures_folder(tmp_path):
        raise KeyError
    assert list(tmp_path.iterdir()) == []


def test_figures_are_in_memory_where_there_is_a_place_for_that(tmp_path, monkeypatch):
    """Workers map them: a write to a file on a full disk would end the process."""
    home = tmp_path / "home"
    monkeypatch.setattr(run, "MEMORY", str(tmp_path))
    assert figures_place(home) == tmp_path
    monkeypatch.setattr(run, "MEMORY", str(tmp_path / "none"))
    assert figures_place(home) == home


def test_the_limit_of_open_files_is_raised_as_far_as_it_goes():
    code = """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (256, 2048))
from server.files import allow_files
for wanted in (100, 1000, 5000):
    allow_files(wanted, needed_by="all connections")
    print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""
    told = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert told.stdout.split() == ["256", "1000", "2048"]
    assert "2048 open files; all connections may need 5000" in told.stderr


def test_a_worker_ends_as_its_master_would_end_it(monkeypatch):
    """By TERM, and where answers go on and on, by KILL after their time."""
    told = []
    monkeypatch.setattr(run.os, "kill", lambda pid, number: told.append((pid, number)))
    monkeypatch.setattr(run.time, "sleep", told.append)
    run._end()
    assert told == [(os.getpid(), signal.SIGTERM), run.GRACEFUL_SECONDS, (os.getpid(), signal.SIGKILL)]
