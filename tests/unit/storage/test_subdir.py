"""Names of what is inside a file, ours and GDAL's."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prismcube.errors import InvalidInput
from prismcube.storage.subdir import gdal_name, parse_subdir, split_name
from prismcube.storage.uri import split_gdal_name

ALPHABET = "abcXYZ019 ._-=ü湖+#%&'()"
parts = st.text(ALPHABET, min_size=1, max_size=10).filter(lambda one: one.strip(" ") == one and one not in (".", ".."))
paths = st.lists(parts, min_size=1, max_size=3).map("/".join).filter(lambda path: not path.startswith("vsi"))
inner = st.one_of(
    st.integers(1, 999_999).map("GTIFF_DIR:{}".format),
    st.integers(0, 999_999).map("NITF_IM:{}".format),
    paths.map("NETCDF:{}".format),
    paths.map("NETCDF:/{}".format),
    paths.map("HDF5:{}".format),
)
members = st.tuples(st.sampled_from(("zip", "tar")), paths).map("/".join)
subdirs = st.one_of(st.just(""), inner, members, st.tuples(members, inner).map("|".join))


@given(paths, subdirs)
def test_there_and_back(path: str, subdir: str) -> None:
    assert str(parse_subdir(subdir)) == subdir
    assert split_name(gdal_name("/" + path, subdir)) == ("/" + path, subdir)


@given(st.one_of(st.text(max_size=40), st.text('zipNETCDF5:/"{}|.\\\0<aü', max_size=20)))
def test_any_text_is_taken_or_refused(text: str) -> None:
    with contextlib.suppress(InvalidInput):
        name = gdal_name("/data/a.zip", text)
        assert "/data/a.zip" in name
        assert ".." not in name.split("/")
        assert name.count("/vsi") <= 1
    with contextlib.suppress(InvalidInput):
        split_gdal_name(text)


@pytest.mark.parametrize(
    ("name", "path", "subdir"),
    [
        ("/data/a.tif", "/data/a.tif", ""),
        ("B02.tif", "B02.tif", ""),
        ("https://host/a.tif?b=c", "https://host/a.tif?b=c", ""),
        ('NETCDF:"/data/a.nc":sst', "/data/a.nc", "NETCDF:sst"),
        ("netcdf:/data/a.nc:sst", "/data/a.nc", "NETCDF:sst"),
        ("NETCDF:a.nc:/group/sst", "a.nc", "NETCDF:/group/sst"),
        ('NETCDF:"https://host/a.nc":sst', "https://host/a.nc", "NETCDF:sst"),
        ('HDF5:"/data/a.h5"://grp/ds', "/data/a.h5", "HDF5:grp/ds"),
        ("HDF5:/data/a.h5://grp/ds", "/data/a.h5", "HDF5:grp/ds"),
        ("GTIFF_DIR:2:/data/a:b.tif", "/data/a:b.tif", "GTIFF_DIR:2"),
        ("NITF_IM:0:/data/a.ntf", "/data/a.ntf", "NITF_IM:0"),
        ("/vsizip/data/a.zip/inner.tif", "data/a.zip", "zip/inner.tif"),
        ("/vsizip//data/a.zip/b/inner.tif", "/data/a.zip", "zip/b/inner.tif"),
        ("/vsizip/{/data/a}/inner.tif", "/data/a", "zip/inner.tif"),
        ("/vsitar//data/a.tar.gz/inner.tif", "/data/a.tar.gz", "tar/inner.tif"),
        ('NETCDF:"/vsizip//data/a.zip/b.nc":sst', "/data/a.zip", "zip/b.nc|NETCDF:sst"),
        ("/vsis3/bucket/a b%20ü.tif", "s3://bucket/a%20b%2520%C3%BC.tif", ""),
        ("/vsigs/bucket/a/b.tif", "gs://bucket/a/b.tif", ""),
        ("/vsiaz/container/a.tif", "az://container/a.tif", ""),
        ("/vsicurl/https://host/a.tif?b=c", "https://host/a.tif?b=c", ""),
        ("/vsizip//vsis3/bucket/a.zip/b.tif", "s3://bucket/a.zip", "zip/b.tif"),
        ("/vsizip/vsicurl/https://host/a.zip/b.tif", "https://host/a.zip", "zip/b.tif"),
        ("NETCDF:/vsis3/bucket/a.nc:sst", "s3://bucket/a.nc", "NETCDF:sst"),
        ("zip:///data/a.zip!/b.tif", "/data/a.zip", "zip/b.tif"),
        ("zip+https://host/a.zip!b.tif", "https://host/a.zip", "zip/b.tif"),
    ],
)  # fmt: skip
def test_names_of_gdal(name: str, path: str, subdir: str) -> None:
    assert split_gdal_name(name) == (path, subdir)


@pytest.mark.parametrize(
    "subdir",
    [
        "..", "/etc/passwd", "../a", "zip/../a", "zip//a", "zip/a/", "zip/", "zip", "zip/a/../b", "zip/./b", "tar/a\nb",
        "zip/a\0b", 'zip/a"b', "zip/a\\b", "zip/a}b", "zip/vsicurl/x", "zip/a/vsis3/b", "7z/a", "zip/a|", "zip/a|b|c",
        "VRT:a", "<VRTDataset>", "vrt:///data/a.tif", "/vsicurl/http://x", "WMS:http://x", "DERIVED_SUBDATASET:X:/a",
        "GTIFF_DIR:", "GTIFF_DIR:0", "GTIFF_DIR:-1", "GTIFF_DIR:01", "GTIFF_DIR:off:8", "GTIFF_DIR:2:/etc/passwd",
        "NETCDF:", "NETCDF:a:b", 'NETCDF:"/etc/a.nc":b', "NETCDF:../a", "NETCDF:a\nb", "HDF5:/", "netcdf:a", ":",
        "|NETCDF:a", "zip/a|zip/b", "NETCDF:<VRTDataset>", "x" * 501, "GTIFF_DIR:1٢",
    ],
)  # fmt: skip
def test_hostile_subdirs(subdir: str) -> None:
    for path in ("/data/a.tif", "/vsiriopener_1/x/a.tif"):
        with pytest.raises(InvalidInput) as caught:
            gdal_name(path, subdir)
        assert caught.value.parameter == "subdir"


def test_paths_that_no_name_can_tell() -> None:
    for path, subdir in (("/a{b.zip", "zip/c"), ("/a}b.zip", "zip/c"), ('/a"b.nc', "NETCDF:c")):
        with pytest.raises(InvalidInput, match="can't be named"):
            gdal_name(path, subdir)
    assert gdal_name('/a"{b.tif', "") == '/a"{b.tif'


@pytest.mark.parametrize(
    ("name", "parameter"),
    [
        ("/vsicurl?url=http://x", "uri"),
        ("/vsicurl/ftp://x/a", "uri"),
        ("/vsimem/a.tif", "uri"),
        ("/vsistdin/", "uri"),
        ("/vsis3_streaming/b/k?SECRET", "uri"),
        ("/vsis3/bucket", "uri"),
        ("/vsisubfile/0_10,/etc/passwd", "uri"),
        ("/vsizip/vsimem/a.zip/b", "uri"),
        ("/vsizip/a/b", "subdir"),
        ("/vsizip/{a", "subdir"),
        ("/vsizip/a.zip/../b", "subdir"),
        ("NETCDF:/a.nc", "subdir"),
        ("GTIFF_DIR:x:/a.tif", "subdir"),
        ("GTIFF_DIR:2", "subdir"),
        ("zip:///a.zip", "subdir"),
    ],
)
def test_names_that_are_refused(name: str, parameter: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        split_gdal_name(name)
    assert caught.value.parameter == parameter
    assert "SECRET" not in str(caught.value)
