"""Files appear whole or not at all: full disks, places that can't be written, writers that are killed."""

import errno
import os
import resource
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import rasterio

from prismcube.errors import SourceError, StorageFull
from prismcube.tiff import publish
from prismcube.tiff.cog import writing_cog
from prismcube.tiff.draft import writing_draft
from prismcube.tiff.mucog import append_dates, write_mucog
from prismcube.tiff.publish import publishing


@pytest.fixture
def small_files():
    """No file of this process may grow beyond 20,000 bytes: the system says so as it does of a full disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    signal.signal(signal.SIGXFSZ, before)


def write(context, pixels):
    with context as draft:
        draft.write(pixels[0])


def test_a_writer_that_fails_leaves_the_file_as_it_was(tmp_path, image_of, picture):
    pixels = picture((1, 64, 64))
    for writing in (writing_cog, writing_draft):
        write(writing(tmp_path / "a.tif", image_of(pixels)), pixels)
        before = (tmp_path / "a.tif").read_bytes()
        with pytest.raises(ValueError, match="10 were given"):
            write(writing(tmp_path / "a.tif", image_of(pixels)), pixels[:, :10])
        with pytest.raises(OSError, match="of the caller"), writing(tmp_path / "a.tif", image_of(pixels)):
            raise OSError("of the caller")
        assert (tmp_path / "a.tif").read_bytes() == before
        assert os.listdir(tmp_path) == ["a.tif"]


@pytest.mark.parametrize("writing", [writing_cog, writing_draft])
def test_a_full_disk(tmp_path, image_of, picture, small_files, writing):
    pixels = picture((1, 256, 256))
    with pytest.raises(StorageFull, match=r"a\.tif could not be written: File too large"):
        write(writing(tmp_path / "a.tif", image_of(pixels)), pixels)
    assert os.listdir(tmp_path) == []


def test_a_disk_that_is_full_for_all_dates(tmp_path, draft_of, picture, request):
    drafts = [draft_of(picture((1, 64, 64), seed=seed), f"d{seed}") for seed in range(4)]
    write_mucog(tmp_path / "all.tif", drafts[:1])
    before = (tmp_path / "all.tif").read_bytes()
    request.getfixturevalue("small_files")
    with pytest.raises(StorageFull):
        append_dates(tmp_path / "all.tif", drafts[1:])
    assert (tmp_path / "all.tif").read_bytes() == before
    assert not list(tmp_path.glob(".*"))


def test_places_that_cannot_be_written(tmp_path, image_of, picture, draft_of):
    pixels = picture((1, 64, 64))
    draft = draft_of(pixels, "d")
    (tmp_path / "folder.tif").mkdir()
    (tmp_path / "file").write_bytes(b"")
    for path, fault in [
        (tmp_path / "nowhere" / "a.tif", "No such file or directory"),
        (tmp_path / "file" / "a.tif", "Not a directory"),
        (tmp_path / "folder.tif", "Is a directory"),
    ]:
        for writing in (writing_cog, writing_draft):
            with pytest.raises(SourceError, match=f"could not be written: {fault}"):
                write(writing(path, image_of(pixels)), pixels)
        with pytest.raises(SourceError, match=f"could not be written: {fault}"):
            write_mucog(path, [draft])
    assert not list(tmp_path.glob(".*"))


_WRITER = """
import sys
from pathlib import Path
import numpy as np
from prismcube.model.formats import DataFormat
from prismcube.tiff.cog import writing_cog
from prismcube.tiff.draft import writing_draft
from prismcube.tiff.image import Image
image = Image(height=10**9, width=64, format=DataFormat(dtype="uint8"), codec="none", overviews=0)
writing = {"cog": writing_cog, "draft": writing_draft}[sys.argv[1]]
with writing(Path(sys.argv[2]), image) as draft:
    print("begun", flush=True)
    while True:
        draft.write(np.ones((1000, 64), dtype=np.uint8))
"""


@pytest.mark.parametrize(("kind", "parts"), [("cog", 0), ("draft", 1)])
def test_a_writer_that_is_killed_leaves_the_file_as_it_was(tmp_path, kind, parts):
    path = tmp_path / "a.tif"
    path.write_bytes(b"before")
    with subprocess.Popen([sys.executable, "-c", _WRITER, kind, str(path)], stdout=subprocess.PIPE) as writer:
        assert writer.stdout.readline() == b"begun\n"
        time.sleep(0.2)
        writer.kill()
    assert path.read_bytes() == b"before"
    left = [name for name in os.listdir(tmp_path) if name != "a.tif"]
    assert len(left) == parts
    assert left in ([], [".a.tif.part"])


_TWICE = """
import os, sys, time
from pathlib import Path
import numpy as np
from prismcube.model.formats import DataFormat
from prismcube.tiff.cog import writing_cog
from prismcube.tiff.draft import writing_draft
from prismcube.tiff.image import Image
from prismcube.tiff.mucog import write_mucog
kind, path, waits = sys.argv[1], Path(sys.argv[2]), sys.argv[3] == "waits"
image = Image(height=512, width=512, format=DataFormat(dtype="uint16"), codec="zstd")
pixels = np.arange(512 * 512, dtype=np.uint16).reshape(512, 512)
drafts = [path.with_name(f"date-{number}.draft") for number in range(3)]
for number, draft in enumerate(drafts if kind == "mucog" else ()):
    with writing_draft(draft, image) as date:
        date.write(pixels + number)
if waits:  # where all has been written, and nothing has its name yet
    def fsync(file):
        print(os.getpid(), flush=True)
        time.sleep(600)
    os.fsync = fsync
if kind == "mucog":
    write_mucog(path, drafts)
else:
    with writing_cog(path, image) as one:
        one.write(pixels)
"""


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize(("kind", "pages"), [("cog", 1), ("mucog", 3)])
def test_a_second_run_completes_what_a_killed_one_began(tmp_path, kind, pages):
    path, part = tmp_path / "a.tif", tmp_path / ".a.tif.part"
    path.write_bytes(b"before")
    command = [sys.executable, "-c", _TWICE, kind, str(path)]
    with subprocess.Popen([*command, "waits"], stdout=subprocess.PIPE) as writer:
        assert int(writer.stdout.readline()) == writer.pid
        os.kill(writer.pid, signal.SIGKILL)
    assert writer.returncode == -signal.SIGKILL
    assert path.read_bytes() == b"before"
    assert part.stat().st_size > 0
    left = part.stat().st_ino
    subprocess.run([*command, "goes on"], check=True)
    assert path.stat().st_ino == left, "the part is taken over"
    assert not list(tmp_path.glob(".*"))
    pixels = np.arange(512 * 512, dtype=np.uint16).reshape(512, 512)
    for page in range(pages):
        with rasterio.open(f"GTIFF_DIR:{page + 1}:{path}" if pages > 1 else path) as file:
            np.testing.assert_array_equal(file.read(1), pixels + page)


def test_what_a_killed_writer_has_left_is_gone_after_the_next(tmp_path, image_of, picture):
    path, left = tmp_path / "a.tif", tmp_path / ".a.tif.part"
    left.write_bytes(b"x" * 10**6)
    pixels = picture((1, 64, 64))
    write(writing_draft(path, image_of(pixels)), pixels)
    assert os.listdir(tmp_path) == ["a.tif"]
    assert path.stat().st_size < 10**5
    with rasterio.open(path) as file:
        np.testing.assert_array_equal(file.read(), pixels)
    left.write_bytes(b"x")
    with pytest.raises(ZeroDivisionError), publishing(path):
        raise ZeroDivisionError
    assert os.listdir(tmp_path) == ["a.tif"]


def test_two_who_write_a_file_at_once_do_not_share_a_part(tmp_path):
    path = tmp_path / "a.tif"
    with publishing(path) as first:
        os.write(first, b"first")
        with publishing(path) as second:
            os.write(second, b"second")
            assert len(os.listdir(tmp_path)) == 2
        assert path.read_bytes() == b"second"
    assert path.read_bytes() == b"first"
    assert os.listdir(tmp_path) == ["a.tif"]


def test_a_part_that_got_its_name_meanwhile_is_left_alone(tmp_path, monkeypatch):
    """The other writer ends between opening its part and locking it."""
    path, part = tmp_path / "a.tif", tmp_path / ".a.tif.part"
    part.write_bytes(b"of another")
    lock = publish.fcntl.flock

    def flock(file, how):
        if part.exists():
            part.rename(path)
        lock(file, how)

    monkeypatch.setattr(publish.fcntl, "flock", flock)
    with publishing(path) as file:
        assert path.read_bytes() == b"of another"
        os.write(file, b"ours")
    assert path.read_bytes() == b"ours"
    assert os.listdir(tmp_path) == ["a.tif"]


def test_where_there_are_no_locks_parts_have_names_of_their_own(tmp_path, monkeypatch):
    def flock(file, how):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(publish.fcntl, "flock", flock)
    with publishing(tmp_path / "a.tif") as file:
        os.write(file, b"ours")
        (part,) = os.listdir(tmp_path)
        assert part != ".a.tif.part"
    assert (tmp_path / "a.tif").read_bytes() == b"ours"
    assert os.listdir(tmp_path) == ["a.tif"]


def test_other_file_systems(tmp_path, draft_of, picture, monkeypatch):
    """Where the system has no copy of its own, or copies a part only, bytes go through this process."""
    pixels = picture((1, 128, 128))
    draft = draft_of(pixels, "d")
    write_mucog(tmp_path / "a.tif", [draft, draft])
    real = os.copy_file_range

    def a_little(source, target, count, begin, to):
        if begin % 3 == 0:
            raise OSError(18, "Invalid cross-device link")
        return real(source, target, min(count, 1000), begin, to) if begin % 3 == 1 else 0

    monkeypatch.setattr(os, "copy_file_range", a_little)
    write_mucog(tmp_path / "b.tif", [draft, draft])
    assert (tmp_path / "a.tif").read_bytes() == (tmp_path / "b.tif").read_bytes()
    with rasterio.open(f"GTIFF_DIR:2:{tmp_path / 'b.tif'}") as file:
        np.testing.assert_array_equal(file.read(), pixels)
