"""The command line, as one types it."""

import os
import shutil
import socket
from pathlib import Path

import pytest
import rasterio

from tests import commands

ROOT = Path(__file__).resolve().parents[3]
S2 = ROOT / "examples" / "s2-romania.yml"


def prismcube(*words, env=None, cwd=ROOT):
    """(exit code, everything it printed)"""
    ended = commands.run(*words, cwd=cwd, env={**os.environ, "COLUMNS": "200", **(env or {})})
    return ended.returncode, ended.stdout + ended.stderr


@pytest.fixture
def few(tmp_path, demo_data):
    """Three good files, and one that is cut off in its header."""
    folder = tmp_path / "archive"
    folder.mkdir()
    for path in sorted((demo_data / "s2-romania-2015-2021").glob("*.tif"))[:4]:
        shutil.copy(path, folder)
    broken = sorted(folder.iterdir())[1]
    broken.write_bytes(broken.read_bytes()[:100])
    return folder, broken


def test_one_bad_file_fails_alone_and_the_exit_code_tells(tmp_path, few):
    folder, broken = few
    code, text = prismcube("index", "--home", tmp_path / "home", "--mapping", S2, folder)
    assert code == 1
    assert "3 created, 1 failed" in text
    (line,) = [line for line in text.splitlines() if "failed" in line and broken.name in line]
    assert broken.name in line
    good = [line for line in text.splitlines() if ".tif" in line and "created" in line]
    assert len(good) == 3
    code, text = prismcube("collection", "list", "--home", tmp_path / "home")
    assert code == 0
    assert "s2-romania" in text
    assert "2015-08-01T00:00:00Z" in text


def test_brief_lists_only_what_failed_and_a_repeat_changes_nothing(tmp_path, few):
    folder, broken = few
    prismcube("index", "--home", tmp_path / "home", "--mapping", S2, folder)
    broken.unlink()
    code, text = prismcube("index", "--home", tmp_path / "home", "--mapping", S2, "--brief", "--threads", 1, folder)
    assert (code, text.strip()) == (0, "s2-romania.yml: 3 unchanged")


def test_brackets_in_names_are_no_markup(tmp_path, few):
    folder, _ = few
    odd = folder / "x[" / "b]"
    odd.mkdir(parents=True)
    shutil.move(sorted(folder.glob("*.tif"))[0], odd / "S2_20150801.tif")
    (odd / "S2_20150802.tif").write_bytes(b"")
    mapping = tmp_path / "[b].yml"
    mapping.write_text(S2.read_text().replace("title: Sentinel-2, forest in Romania", "title: 'Forest [/b] [bold]x'"))
    code, text = prismcube("index", "--home", tmp_path / "home", "--mapping", mapping, folder)
    assert code == 1
    assert "Traceback" not in text
    assert "[b].yml: 3 created, 2 failed" in text
    code, text = prismcube("collection", "list", "--home", tmp_path / "home")
    assert code == 0
    assert "Forest [/b] [bold]x" in text


def test_a_folder_without_files_is_an_error(tmp_path):
    (tmp_path / "empty").mkdir()
    code, text = prismcube("index", "--home", tmp_path / "home", "--mapping", S2, tmp_path / "empty")
    assert code == 1
    assert "no file found" in text


def test_every_mistake_of_a_mapping_is_told_by_name(tmp_path):
    mapping = tmp_path / "m.yml"
    mapping.write_text("variables: {v: {bands: [], dtype: uint9}}\nfiles: []\ncolour: red\n")
    code, text = prismcube("index", "--home", tmp_path / "home", "--mapping", mapping, tmp_path)
    assert code == 2
    for name in ("variables.v", "colour"):
        assert name in text
    assert "Traceback" not in text


def test_collection_delete(tmp_path, few):
    prismcube("index", "--home", tmp_path / "home", "--mapping", S2, few[0])
    assert prismcube("collection", "delete", "s2-romania", "--home", tmp_path / "home")[0] == 0
    code, text = prismcube("collection", "delete", "s2-romania", "--home", tmp_path / "home")
    assert code == 1
    assert "no collection 's2-romania'" in text


def test_migrate_makes_a_catalogue_and_may_be_repeated(tmp_path):
    for _ in range(2):
        assert prismcube("migrate", "--home", tmp_path / "new" / "home")[0] == 0
    assert (tmp_path / "new" / "home" / "catalogue.sqlite").exists()


@pytest.mark.parametrize("verb", ["migrate", "serve", "demo"])
def test_a_home_that_can_not_be_is_told(tmp_path, verb, free_port):
    (tmp_path / "file").write_text("")
    port = [] if verb == "migrate" else ["--port", free_port()]
    code, text = prismcube(verb, "--home", tmp_path / "file" / "home", *port)
    assert code == 2
    assert "prismcube.home" in text
    assert "Traceback" not in text


def test_check_config_shows_what_the_file_amounts_to(tmp_path):
    code, text = prismcube("check-config", env={"PRISMCUBE_LIMITS__SLICES": "77"})
    assert code == 0
    assert "prismcube.limits.slices" in text
    assert "77" in text


def test_check_config_tells_every_mistake_at_once(tmp_path):
    config = tmp_path / "bad.yml"
    text = (ROOT / "pygeoapi-config.yml").read_text()
    config.write_text(text.replace("port: 5000", "port: many").replace("workers: 2", "workres: 2"))
    code, told = prismcube("check-config", "--config", config)
    assert code == 2
    assert "prismcube.serve.port" in told
    assert "prismcube.serve.workres" in told
    assert "Traceback" not in told


@pytest.mark.parametrize("verb", ["serve", "demo"])
def test_a_port_that_is_taken_is_told_at_once(tmp_path, verb):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        code, text = prismcube(verb, "--home", tmp_path, "--port", taken.getsockname()[1])
    assert code == 2
    assert "prismcube.serve.port" in text
    assert "--port" in text


def test_an_open_address_needs_a_word(tmp_path):
    code, text = prismcube("serve", "--home", tmp_path, "--host", "0.0.0.0", "--port", "5999")
    assert code == 2
    assert "open_to_network" in text


def test_help_has_an_example_for_every_verb():
    for verb in ("demo", "serve", "migrate", "index", "check-config"):
        code, text = prismcube(verb, "--help")
        assert code == 0
        assert f"Example: prismcube {verb}" in text
    for verb in ("list", "delete"):
        assert f"Example: prismcube collection {verb}" in prismcube("collection", verb, "--help")[1]


def test_nothing_said_is_help():
    _, text = prismcube()
    assert "Satellite images as collections" in text


def test_index_again_with_other_options(tmp_path, few):
    folder, broken = few
    broken.unlink()
    home = tmp_path / "home"
    code, text = prismcube("index", "--home", home, "--mapping", S2, "--dry-run", folder)
    assert (code, "3 created (dry run, nothing written)" in text) == (0, True)
    code, text = prismcube("index", "--home", home, "--mapping", S2, folder)
    assert (code, "3 created" in text) == (0, True)
    other = tmp_path / "other.yml"
    other.write_text(S2.read_text().replace("S2_{year}", "of {year}"))
    assert other.read_text() != S2.read_text()
    code, text = prismcube("index", "--home", home, "--mapping", other, folder)
    assert (code, "record is 'S2_" in text) == (1, True)
    code, text = prismcube("index", "--home", home, "--mapping", other, "--replace", folder)
    assert (code, "3 updated" in text) == (0, True)
    damaged = sorted(folder.glob("*.tif"))[0]
    before = damaged.stat()
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2 :] = b"\xff" * (len(content) - len(content) // 2)
    damaged.write_bytes(content)
    os.utime(damaged, ns=(before.st_atime_ns, before.st_mtime_ns))
    code, text = prismcube("index", "--home", home, "--mapping", other, folder)
    assert (code, "3 unchanged" in text) == (0, True)
    code, text = prismcube("index", "--home", home, "--mapping", other, "--deep", folder)
    assert (code, "1 failed" in text) == (1, True)


def test_verbose_tells_how_pixels_are_read(tmp_path, few):
    folder, broken = few
    first = sorted(folder.iterdir())[0]
    with rasterio.open(sorted(folder.iterdir())[2]) as good:
        profile, pixels = good.meta, good.read()
    first.unlink()
    with rasterio.open(first, "w", **profile, compress="packbits") as other:
        other.write(pixels)
    broken.unlink()
    for outcome in ("created", "unchanged"):  # the second time, nothing is opened
        _, text = prismcube("index", "--home", tmp_path / "home", "--mapping", S2, "--verbose", folder)
        lines = {line.split()[0]: line.split(outcome)[-1].strip() for line in text.splitlines() if ".tif" in line}
        assert lines.pop(first.name) == "by GDAL: PackBits compression"
        assert [*lines.values()] == ["fast", "fast"]
    _, text = prismcube("index", "--home", tmp_path / "home", "--mapping", S2, folder)
    assert "PackBits" not in text
