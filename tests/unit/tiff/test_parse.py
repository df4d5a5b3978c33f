"""TIFF files of few bytes, made here, and damaged ones: a layout or NotUnderstood, never more read than there is."""

from __future__ import annotations

import random
import struct
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pytest

from prismcube.tiff.layout import Layout, NotUnderstood
from prismcube.tiff.parse import read_layout

Tags = dict[int, tuple[int, Sequence[int] | bytes]]
"""(type, values) by tag."""
_LETTERS = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q"}


class Writer:
    """Directories and blocks, appended to each other."""

    def __init__(self, order: str = "<", *, big: bool = False) -> None:
        self.order, self.big = order, big
        mark = b"II" if order == "<" else b"MM"
        rest = struct.pack(f"{order}HHHQ", 43, 8, 0, 0) if big else struct.pack(f"{order}HI", 42, 0)
        self.data = bytearray(mark + rest)

    def append(self, data: bytes) -> int:
        place = len(self.data)
        self.data += data
        return place

    def directory(self, tags: Tags, *, following: int = 0) -> int:
        """Place of a new directory."""
        head, entry, tail = ("Q", "HHQ", "Q") if self.big else ("H", "HHI", "I")
        room = 8 if self.big else 4
        entries = b""
        for tag, (kind, values) in sorted(tags.items()):
            raw = (
                values
                if isinstance(values, bytes)
                else struct.pack(f"{self.order}{len(values)}{_LETTERS[kind]}", *values)
            )
            value = raw.ljust(room, b"\0") if len(raw) <= room else struct.pack(self.order + tail, self.append(raw))
            entries += struct.pack(self.order + entry, tag, kind, len(values)) + value
        body = struct.pack(self.order + head, len(tags)) + entries + struct.pack(self.order + tail, following)
        return self.append(body)

    def finish(self, first: int) -> bytes:
        at, letter = (8, "Q") if self.big else (4, "I")
        self.data[at : at + struct.calcsize(letter)] = struct.pack(self.order + letter, first)
        return bytes(self.data)


def image(writer: Writer, size: int, **changes: tuple[int, Any]) -> Tags:
    """Tags of an uncompressed uint16 image in tiles of 16 x 16."""
    tiles = (-(-size // 16)) ** 2
    place = writer.append(bytes(512 * tiles))
    return {
        256: (4, [size]), 257: (3, [size]), 258: (3, [16]), 259: (3, [1]), 262: (3, [1]), 277: (3, [1]),
        322: (3, [16]), 323: (3, [16]), 324: (4, [place + 512 * n for n in range(tiles)]), 325: (4, [512] * tiles),
    }  # fmt: skip


def parse(data: bytes, page: int | None = None) -> Layout:
    return read_layout(lambda start, length: data[start : start + length], size=len(data), page=page)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("big", [False, True])
def test_sub_directories(order: str, big: bool) -> None:
    """Overviews in sub-directories, of pages that follow each other: those of the page are its own."""
    writer = Writer(order, big=big)
    following = 0
    for size in (64, 80):
        small = image(writer, 32) | {254: (4, [1])}
        mask = image(writer, 32) | {254: (4, [5])}
        places = [writer.directory(one) for one in (small, mask)]
        following = writer.directory(image(writer, size) | {330: (13, places), 254: (4, [2])}, following=following)
    data = writer.finish(following)
    for page, size in ((None, 80), (1, 80), (2, 64)):
        layout = parse(data, page)
        assert [level.shape for level in layout.levels] == [(size, size), (32, 32)]
        assert layout.levels[0].big_endian == (order == ">")
    with pytest.raises(NotUnderstood, match="no page 3"):
        parse(data, 3)


def test_overviews_from_fine_to_coarse_whatever_their_order() -> None:
    writer = Writer()
    following = 0
    for size in (32, 8, 16, 16, 100):
        following = writer.directory(image(writer, size) | {254: (4, [1])}, following=following)
    first = writer.directory(image(writer, 64), following=following)
    assert [level.width for level in parse(writer.finish(first)).levels] == [64, 32, 16, 8]


def test_overviews_of_other_bands_are_passed_by_as_in_gdal() -> None:
    writer = Writer()
    other = writer.directory(image(writer, 32) | {254: (4, [1]), 277: (3, [3])})
    assert len(parse(writer.finish(writer.directory(image(writer, 64), following=other))).levels) == 1


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({258: (3, [8])}, "an overview is of uint8"),
        ({259: (3, [7])}, "JPEG compression"),
        ({325: (4, [512, 512, 512])}, "places of 3 blocks and has 4"),
        ({325: (4, [512, 512, 512, 0])}, "a place and no size"),
        ({325: (4, [512, 512, 512, 511])}, "smaller than their pixels"),
        ({325: (4, [512, 512, 512, 2**32 - 1])}, "truncated"),
        ({266: (3, [2])}, "bits in reverse order"),
        ({32998: (4, [2])}, "a volume"),
        ({284: (3, [9])}, "arranged in way 9"),
        ({256: (4, [0])}, "its size is 0 x 32"),
        ({322: (4, [0])}, "blocks of 0 x 16"),
        ({262: (3, [6])}, "YCbCr"),
        ({339: (3, [6])}, "complex numbers"),
    ],
)
def test_an_overview_that_is_not_understood_leaves_the_file_to_gdal(changes: Tags, reason: str) -> None:
    writer = Writer()
    other = writer.directory(image(writer, 32) | {254: (4, [1])} | changes)
    with pytest.raises(NotUnderstood, match=reason):
        parse(writer.finish(writer.directory(image(writer, 64), following=other)))


def test_circles() -> None:
    writer = Writer()
    first = writer.directory(image(writer, 16), following=0)
    data = bytearray(writer.finish(first))
    data[-4:] = struct.pack("<I", first)
    with pytest.raises(NotUnderstood, match="circle"):
        parse(bytes(data))


@pytest.mark.parametrize(
    ("text", "value"), [(b"-9999\0", -9999), (b" 7 \0", 7), (b"nan\0", float("nan")), (b"\0", None), (b"1e5\0x", 1e5)]
)
def test_nodata(text: bytes, value: float | None) -> None:
    writer = Writer()
    layout = parse(writer.finish(writer.directory(image(writer, 16) | {42113: (2, text)})))
    assert repr(layout.nodata and float(layout.nodata)) == repr(value and float(value))


def test_odd_metadata() -> None:
    writer = Writer()
    xml = b'<GDALMetadata><Item name="OFFSET" sample="1" role="offset">9</Item>' + b"<Item " * 50_000
    xml += b'<Item name="SCALE" sample="0" role="scale">0.25</Item>\0'
    layout = parse(writer.finish(writer.directory(image(writer, 16) | {42112: (2, xml)})))
    assert (layout.scale, layout.offset) == (0.25, 0.0)


def test_mutated_files() -> None:
    """A bounded number of them, always the same; ten to a hundred thousand were tried by hand."""
    samples = [make_sample(order, big=big) for order in "<>" for big in (False, True)]
    assert all(len(parse(data).levels) == 3 for data in samples)
    assert mutate(samples, number=2000, seed=1) > 100


def make_sample(order: str, *, big: bool) -> bytes:
    writer = Writer(order, big=big)
    overview = writer.directory(image(writer, 32) | {254: (4, [1])})
    small = writer.directory(image(writer, 16) | {254: (4, [1])})
    metadata = b'<GDALMetadata><Item name="SCALE" sample="0" role="scale">0.25</Item></GDALMetadata>\0'
    tags = image(writer, 64) | {330: (4, [small]), 42113: (2, b"0\0"), 42112: (2, metadata), 317: (3, [1])}
    return writer.finish(writer.directory(tags, following=overview))


def mutate(samples: Sequence[bytes], *, number: int, seed: int) -> int:
    """How many of `number` damaged files still have a layout; fails for one that reads or makes too much."""
    chance = random.Random(seed)
    sound = 0
    for _ in range(number):
        data = damaged(chance.choice(samples), chance)
        asked = 0

        def read(start: int, length: int, data: bytes = data) -> bytes:
            nonlocal asked
            assert 0 <= start <= start + length <= len(data)
            asked += 1
            return data[start : start + length]

        try:
            layout = read_layout(read, size=len(data))
        except NotUnderstood:
            continue
        finally:
            assert asked < 1000
        sound += 1
        for level in layout.levels:
            assert level.offsets.size == level.counts.size <= len(data)
            assert level.offsets.shape[1:] == level.blocks
            assert int((level.offsets + level.counts).max(initial=np.uint64(0))) <= len(data)
    return sound


@lru_cache(maxsize=16)
def filled(sample: bytes) -> Sequence[int]:
    """Where it is not 0: in its header, mostly."""
    return [place for place, byte in enumerate(sample) if byte]


def damaged(sample: bytes, chance: random.Random) -> bytes:
    data = bytearray(sample)
    header = filled(sample) if chance.random() < 0.8 else range(len(data))
    for _ in range(chance.choice((1, 1, 2, 4, 16))):
        at = chance.choice(header)
        width = chance.choice((1, 1, 2, 4, 8))
        value = chance.choice((0, 1, 255, 2**15, 2**31, 2**32 - 1, 2**63, 2**64 - 1, chance.getrandbits(64), len(data)))
        data[at : at + width] = (value % 256**width).to_bytes(width, chance.choice(("little", "big")))
    return bytes(data[: chance.randrange(len(data))] if chance.random() < 0.1 else data)
