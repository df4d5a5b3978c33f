import struct

import pytest

from prismcube.tiff.fields import directory, directory_bytes, doubles, header, long, read_tags, short, text


@pytest.mark.parametrize("big", [False, True])
def test_a_directory_is_as_long_as_told(big):
    tags = [long(256, 7), short(258, *[16] * 5), text(42113, "0"), doubles(33550, 1, 2, 0), long(324, 1, 2, 3)]
    assert len(directory(tags, at=16, big=big)) == directory_bytes(tags, big=big)
    far = {324: 4096}
    assert len(directory(tags, at=16, big=big, far=far)) == directory_bytes(tags, big=big, far=far)


def test_what_is_written_is_read():
    tags = [long(256, 7), doubles(33550, 10, 10, 0), text(34737, "UTM|"), short(34735, 1, 1, 0, 0)]
    found = read_tags(header(8, big=False) + directory(tags, at=8, big=False), frozenset({33550, 34735, 34737}))
    assert sorted(found, key=lambda one: one.number) == sorted(tags[1:], key=lambda one: one.number)


def test_far_values_lie_where_told():
    content = directory([long(324, 1, 2, 3)], at=8, big=False, far={324: 4096})
    assert struct.unpack_from("<HHLL", content, 2) == (324, 4, 3, 4096)
