"""The register of coverage formats."""

import importlib

import pytest

from providers.ogc.coverage.formats import FILES


@pytest.mark.parametrize("name", FILES)
def test_the_register_says_what_the_encoder_does(name):
    encoder = importlib.import_module(f"prismcube.encode.{FILES[name].encoder}")
    assert FILES[name].media_type == encoder.MEDIA_TYPE
    assert FILES[name].extension == encoder.EXTENSION
