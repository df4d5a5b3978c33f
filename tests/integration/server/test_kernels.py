"""Folders of compiled kernels: filled once, found again, and given up when they can't be used."""

import threading

import pytest

from prismcube.cube import kernels as resampling
from prismcube.cube import warming
from prismcube.tiff import kernels as predictors
from prismcube.tiff import write_kernels as writing
from server import kernels
from server.kernels import Kernels, NotCompiled, complete, is_complete


@pytest.fixture
def stop():
    return threading.Event()


@pytest.fixture
def few(monkeypatch):
    """Kernels that are compiled soon; this process has none, and starts to look where it did before."""
    monkeypatch.setattr(warming, "GROUPS", (("join_bytes",),))
    monkeypatch.setattr(warming, "_is_loaded", False)
    monkeypatch.setattr(kernels, "use", lambda place: None)


def state(folder):
    return {path: path.stat().st_mtime_ns for path in sorted(folder.rglob("*"))}


def test_groups_are_all_kernels_once():
    names = [name for group in warming.GROUPS for name in group]
    assert sorted(names) == sorted([*resampling.KERNELS, *predictors.SIZES, *writing.TYPES, "look_up"])


def test_each_type_of_a_kernel_of_writing_is_kept_in_a_file_of_its_own(tmp_path, stop, monkeypatch):
    """A request that asks for one before all are there may compile it beside the process that fills the folder."""
    monkeypatch.setattr(warming, "GROUPS", (("differences",),))
    complete(tmp_path, stop)
    assert len([path for path in tmp_path.rglob("*.nbi") if "differences_" in path.name]) == 3


def test_groups_share_no_function_of_several_types():
    """Two processes that compile one function for two types may spoil numba's index of it."""
    helpers = {name for name, one in vars(resampling).items() if hasattr(one, "py_func")}

    def called(names):
        return helpers & {name for one in names for name in resampling.KERNELS[one].__code__.co_names}

    first, second = ([name for name in group if name in resampling.KERNELS] for group in warming.GROUPS)
    assert called(first) & called(second) == {"_row"}


def test_a_folder_is_filled_once(tmp_path, stop, few):
    place = tmp_path / "kernels"
    assert not is_complete(place)
    complete(place, stop)
    assert is_complete(place)
    before = state(place)
    assert len([path for path in before if path.suffix == ".nbc"]) == 2
    complete(place, stop)
    assert state(place) == before


def test_other_code_is_compiled_again(tmp_path, stop, few, monkeypatch):
    complete(tmp_path, stop)
    machine, code = kernels._edition()
    monkeypatch.setattr(kernels, "_edition", lambda: (machine, code[::-1]))
    assert not is_complete(tmp_path)
    monkeypatch.setattr(kernels, "_edition", lambda: (machine[::-1], code))
    assert not is_complete(tmp_path)


def test_a_failure_of_the_compiler_is_told(tmp_path, stop, few, monkeypatch):
    monkeypatch.setattr(warming, "GROUPS", (("join_bytes",),))
    full = tmp_path / "full"
    full.mkdir()
    monkeypatch.setattr(kernels.sys, "executable", "/bin/false")
    with pytest.raises(NotCompiled, match="ended with 1"):
        complete(full, stop)
    assert not is_complete(full)


def test_whoever_is_told_to_stop_leaves_nobody_behind(tmp_path, stop, few):
    stop.set()
    complete(tmp_path, stop)
    assert not is_complete(tmp_path)


def test_where_nothing_can_be_written_the_next_place_is_taken(tmp_path, few, caplog):
    blocked = tmp_path / "file"
    blocked.write_text("")
    have = Kernels([blocked / "kernels", tmp_path / "memory"])
    assert not have.is_settled
    have.begin()
    have._thread.join()
    assert have.is_settled
    assert Kernels.are_there()
    assert is_complete(tmp_path / "memory")
    assert "can't be kept in" in caplog.text


def test_without_any_place_gdal_reads(tmp_path, few, caplog):
    blocked = tmp_path / "file"
    blocked.write_text("")
    have = Kernels([blocked])
    have.begin()
    have._thread.join()
    assert have.is_settled, "it won't get better"
    assert not Kernels.are_there()
    assert "GDAL reads all files" in caplog.text


def test_damaged_files_are_compiled_anew(tmp_path, few, monkeypatch, caplog):
    """numba takes what it finds for its own."""
    told = iter([EOFError("Ran out of input")])

    def load():
        for error in told:
            raise error
        monkeypatch.setattr(warming, "_is_loaded", True)

    monkeypatch.setattr(warming, "load", load)
    complete(tmp_path, threading.Event())
    before = state(tmp_path)
    have = Kernels([tmp_path])
    have.begin()
    have._thread.join()
    assert Kernels.are_there()
    assert is_complete(tmp_path)
    assert set(before.values()).isdisjoint({time for path, time in state(tmp_path).items() if path.suffix == ".nbc"})
    assert "compiled anew" in caplog.text


def test_the_master_loads_what_is_there_and_nothing_else(tmp_path, few, monkeypatch):
    assert not kernels.load_if_complete(tmp_path)
    complete(tmp_path, threading.Event())
    assert kernels.load_if_complete(tmp_path)
    assert Kernels.are_there()

    def damaged():
        raise EOFError

    monkeypatch.setattr(warming, "load", damaged)
    assert not kernels.load_if_complete(tmp_path)
    assert not is_complete(tmp_path), "the next worker compiles them anew"
