"""Many blocks at once: the same pixels as one by one, to the last bit, and as many as can be decoded."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prismcube.tiff import unpack as module
from prismcube.tiff.decode import scatter_block
from prismcube.tiff.kernels import compiled
from prismcube.tiff.layout import Level
from prismcube.tiff.unpack import Part, unpack, unpacks
from tests.unit.tiff.stored import COLS, ENCODE, ROWS, level_of, stored

CODECS = ("deflate", "zstd")
TYPES = ["uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64"]


def _pixels(level: Level, seed: int) -> np.ndarray:
    shape = (ROWS, COLS, level.samples)
    if np.dtype(level.dtype).kind == "f":
        return np.random.default_rng(seed).normal(size=shape).astype(level.dtype)
    limits = np.iinfo(level.dtype)
    return np.random.default_rng(seed).integers(limits.min, limits.max, shape, level.dtype, endpoint=True)


def _together(blocks: list[bytes]) -> tuple[memoryview, list[tuple[int, int]]]:
    """One behind the other, with bytes that nobody wants between them."""
    data, places = b"", []
    for block in blocks:
        data += b"???"
        places.append((len(data), len(block)))
        data += block
    return memoryview(data), places


@settings(max_examples=300)
@given(draw=st.data())
def test_pixels_are_those_of_each_block_by_itself(draw: st.DataObject) -> None:
    dtype = draw.draw(st.sampled_from(TYPES))
    predictor = draw.draw(st.sampled_from([1, 2, 3] if dtype.startswith("float") else [1, 2]))
    samples = draw.draw(st.integers(1, 1 if predictor == 3 else 3))  # test_layouts_against_gdal.py has the others
    level = level_of(codec=draw.draw(st.sampled_from(CODECS)), predictor=predictor, dtype=dtype, bands=samples)
    bands = draw.draw(st.lists(st.integers(0, samples - 1), min_size=1, max_size=3, unique=True))
    count = draw.draw(st.integers(1, 4))
    data, places = _together([stored(level, _pixels(level, seed)) for seed in range(count)])
    row, col = draw.draw(st.integers(0, ROWS - 1)), draw.draw(st.integers(0, COLS - 1))
    height, width = draw.draw(st.integers(1, ROWS - row)), draw.draw(st.integers(1, COLS - col))
    room = np.zeros((count * len(bands), ROWS + 4, 2 * COLS), dtype)
    if draw.draw(st.booleans()):
        room = np.asfortranarray(room)  # any strides
    expected = room.copy()
    at_row, at_col = draw.draw(st.integers(0, 3)), draw.draw(st.integers(0, COLS))
    parts = [
        Part(start, size, row, col, number * len(bands), at_row, at_col, height, width)
        for number, (start, size) in enumerate(places)
    ]
    assert unpack(level, data, parts, room, bands) == count
    for number, (start, size) in enumerate(places):
        into = expected[number * len(bands) :][: len(bands), at_row : at_row + height, at_col : at_col + width]
        scatter_block(level, data[start : start + size], into, row=row, col=col, bands=bands)
        whole = _pixels(level, number)[row : row + height, col : col + width]
        np.testing.assert_array_equal(into, np.moveaxis(whole[..., list(bands)], 2, 0))
    np.testing.assert_array_equal(room, expected)


@pytest.mark.parametrize("size", [1, 2, 4, 8])
def test_running_sums_are_those_of_numpy(size: int) -> None:
    """Of every width and every place in a register, within a row that begins anywhere in memory."""
    random = np.random.default_rng(size)
    for width in range(1, 70):
        for col in (0, 1, 5, width - 1):
            if col >= width:
                continue
            block = random.integers(0, 2 ** (8 * size) - 1, 3 * width, f"u{size}", endpoint=True)
            whole = np.cumsum(block.reshape(3, width), axis=1, dtype=block.dtype)
            for shift in (0, 1, 3):
                out = np.zeros((1, 3, width + 4), block.dtype)[:, :, shift : shift + width - col]
                compiled("sum_up", size)(block, width, 1, out, 0, col, np.zeros(1, np.int64))
                np.testing.assert_array_equal(out[0], whole[:, col:])


@pytest.mark.parametrize("codec", CODECS)
def test_those_before_one_that_does_not_decode_are_done(codec: str) -> None:
    level = level_of(codec=codec, predictor=2)
    good = [stored(level, _pixels(level, seed)) for seed in range(4)]
    short = ENCODE[codec](bytes(level.block_bytes - 1))
    large = ENCODE[codec](bytes(level.block_bytes + 1))
    for bad in (short, large, b"", good[2][:-1], b"no codec at all"):
        data, places = _together([*good[:2], bad, good[3]])
        out = np.full((4, ROWS, COLS), 7, np.uint16)
        parts = [Part(*place, 0, 0, number, 0, 0, ROWS, COLS) for number, place in enumerate(places)]
        assert unpack(level, data, parts, out, (0,)) == 2
        assert [(out[number] == _pixels(level, number)[..., 0]).all() for number in range(2)] == [True, True]
        assert (out[3] == 7).all()


@pytest.mark.parametrize("codec", CODECS)
def test_damaged_blocks_spoil_nothing_else(codec: str) -> None:
    random = np.random.default_rng(3)
    level = level_of(codec=codec, predictor=2)
    data = stored(level, _pixels(level, 0))
    seen = set()
    for _ in range(300):
        damaged = np.frombuffer(data, np.uint8).copy()
        for _ in range(random.integers(1, 8)):
            damaged[random.integers(0, len(damaged))] = random.integers(0, 256)
        out = np.full((1, ROWS, COLS + 8), 7, np.uint16)
        part = Part(0, len(damaged), 0, 0, 0, 0, 4, ROWS, COLS)
        seen.add(unpack(level, memoryview(damaged.tobytes()), [part], out, (0,)))
        assert (out[:, :, :4] == 7).all()
        assert (out[:, :, -4:] == 7).all()
    assert 0 in seen


GOOD = {"start": 0, "size": 40, "row": 0, "col": 0, "first": 0, "at_row": 0, "at_col": 0, "height": 2, "width": 2}


@pytest.mark.parametrize(
    "wrong",
    [
        {"start": -1}, {"start": 1}, {"size": 41}, {"size": -1}, {"size": 2**63 - 1}, {"row": 15}, {"row": -1},
        {"col": COLS - 1}, {"col": -1}, {"first": 2}, {"first": -1}, {"at_row": 9}, {"at_row": -1}, {"at_col": 9},
        {"at_col": -1}, {"height": 17}, {"width": 49}, {"height": -1}, {"width": -1},
        {"start": 1, "size": 2**63 - 1}, {"row": 2**63 - 1}, {"col": 2**63 - 1}, {"at_row": 2**63 - 1},
        {"at_col": 2**63 - 1}, {"first": 2**63 - 1}, {"height": 2**63 - 1}, {"width": 2**63 - 1},
    ],
)  # fmt: skip
def test_parts_that_are_nowhere_are_refused(wrong: dict[str, int]) -> None:
    level = level_of(codec="zstd")
    data = memoryview(bytes(40))
    out = np.zeros((2, 10, 10), np.uint16)
    assert unpack(level, data, [Part(**GOOD)], out, (0,)) == 0, "it is no zstd, but it is somewhere"
    with pytest.raises(ValueError, match="not within"):
        unpack(level, data, [Part(**GOOD | wrong)], out, (0,))


@pytest.mark.parametrize("band", [1, -1])
def test_samples_that_are_none_are_refused(band: int) -> None:
    with pytest.raises(ValueError, match="not within"):
        unpack(level_of(codec="zstd"), memoryview(bytes(40)), [Part(**GOOD)], np.zeros((2, 10, 10), np.uint16), (band,))


def test_answers_of_another_type_or_no_band_are_refused() -> None:
    level = level_of(codec="zstd")
    for dtype, bands in ((">u2", (0,)), ("int16", (0,)), ("uint8", (0,)), ("uint16", ())):
        with pytest.raises(ValueError, match="expected uint16"):
            unpack(level, memoryview(bytes(40)), [Part(**GOOD)], np.zeros((2, 10, 10), dtype), bands)


def test_what_is_not_unpacked_is_decoded_one_by_one() -> None:
    out = np.zeros((1, ROWS, COLS), np.uint16)
    for level in (level_of(codec="lzw"), level_of(codec="none"), level_of(codec="zstd", big_endian=True)):
        assert not unpacks(level)
        with pytest.raises(ValueError, match="not decoded here"):
            unpack(level, memoryview(b""), [], out, (0,))
    assert unpacks(level_of(codec="zstd", dtype="uint8", big_endian=True)), "a byte has no order"
    assert unpacks(level_of(codec="zstd", dtype="float32", predictor=3, big_endian=True)), "predictor 3 has its own"


@pytest.mark.parametrize("codec", CODECS)
def test_without_the_library_nothing_is_unpacked(
    codec: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    names = module._NAMES[codec]
    for missing in ({"module": "_no_such_module"}, {"decode": "no_such_function"}):
        changed = module._Names(**{**{name: getattr(names, name) for name in names.__dataclass_fields__}, **missing})
        monkeypatch.setitem(module._NAMES, codec, changed)
        module._library.cache_clear()
        try:
            caplog.clear()
            assert not unpacks(level_of(codec=codec))
            assert not unpacks(level_of(codec=codec))
            assert len(caplog.messages) == 1, "it is told once"
            assert f"blocks of {codec} are decoded one by one" in caplog.text
        finally:
            monkeypatch.undo()
            module._library.cache_clear()
    assert unpacks(level_of(codec=codec))


@pytest.mark.parametrize("codec", CODECS)
def test_each_thread_has_a_context_that_goes_with_it(codec: str) -> None:
    level = level_of(codec=codec)
    library = module._library(codec)
    assert library is not None
    freed: list[int] = []
    free = library._free
    library._free = lambda address: freed.append(address) or free(address)
    used = []

    def read() -> None:
        out = np.zeros((1, ROWS, COLS), np.uint16)
        data = stored(level, _pixels(level, 0))
        for _ in range(3):
            assert unpack(level, memoryview(data), [Part(0, len(data), 0, 0, 0, 0, 0, ROWS, COLS)], out, (0,)) == 1
        used.append(module._contexts.made[codec].address)

    try:
        threads = [threading.Thread(target=read) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        library._free = free
    assert len(used) == 3
    assert sorted(freed) == sorted(used)
