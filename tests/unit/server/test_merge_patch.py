"""Schemas of merge patches accept what RFC 7396 lets be sent, and nothing that never is right."""

import jsonschema
import pytest

from server.openapi_catalogue import catalogue_schemas


@pytest.fixture(scope="module")
def accepts():
    schemas = catalogue_schemas()

    def check(name, document):
        return jsonschema.Draft202012Validator(with_null(schemas[name])).is_valid(document)

    return check


def with_null(schema):
    """OpenAPI's `nullable` in the words of JSON Schema."""
    if isinstance(schema, list):
        return [with_null(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: with_null(value) for name, value in schema.items() if name not in ("nullable", "discriminator")}
    return {"anyOf": [found, {"type": "null"}]} if schema.get("nullable") is True else found


@pytest.mark.parametrize(
    ("name", "document", "valid"),
    [
        ("RecordChange", {}, True),
        ("RecordChange", {"tags": {"a": None, "b": "c"}}, True),  # null takes the tag away
        ("RecordChange", {"tags": {"a": 1}}, False),
        ("RecordChange", {"aoi": None}, True),
        ("RecordChange", {"name": None}, False),  # has no default
        ("RecordChange", {"nme": "a"}, False),
        ("VariableDocumentChange", {"format": {"nodata": 3}}, True),  # one member of an object
        ("VariableDocumentChange", {"format": {"dtype": None}}, False),
        ("VariableDocumentChange", {"bands": []}, False),
        ("VariableDocumentChange", {"resampling": None}, True),
        ("VariableDocumentChange", {"name": " a"}, False),
        ("DatasetChange", {"status": "inactive", "mapping": {"imax": 2}}, True),
        ("DatasetChange", {"status": "gone"}, False),
        ("LayoutChange", {"grid": {"resolution": 20}}, True),
        ("LayoutChange", {"block_width": 24}, False),
        ("CollectionDocumentChange", {"style": None, "keywords": ["a"]}, True),
        ("CollectionDocumentChange", {"title": "a\0"}, False),
    ],
)
def test_what_a_merge_patch_may_hold(accepts, name, document, valid):
    assert accepts(name, document) is valid
