"""No secret gets into the log, whichever way it comes."""

import json
import logging

import pytest

from config.tree import LogFormat
from server import logs
from server.redact import HIDDEN, is_secret, redacted, redacted_query

SECRET = "s3cr3t-value"


@pytest.mark.parametrize(
    "text",
    [
        f"can't connect to postgresql://me:{SECRET}@db.example.org/eo?sslmode=require",
        f"redis://:{SECRET}@cache:6379/0 does not answer",
        f"GET https://bucket.s3.amazonaws.com/a.tif?X-Amz-Signature={SECRET}&X-Amz-Date=1",
        f"'/vsicurl/https://x.blob.core.windows.net/a.tif?sv=1&sig={SECRET}' not recognized",
        f"Authorization: Bearer {SECRET}",
        f"authorization=Basic {SECRET}",
        f"{{'X-API-Key': '{SECRET}'}}",
        f"[(b'authorization', b'Bearer {SECRET}'), (b'host', b'x')]",
        f"Cookie: session={SECRET}",
        f"host=db user=me password={SECRET} dbname=eo",
        f"password='{SECRET}'",
        f'{{"client_secret": "{SECRET}"}}',
        f"token={SECRET}&x=1",
        f"AWS_SECRET_ACCESS_KEY={SECRET}",
        f"Bearer {SECRET}",
    ],
)
def test_secrets_in_texts(text):
    assert SECRET not in redacted(text)


@pytest.mark.parametrize(
    "text",
    [
        "s3://bucket/a.tif could not be read",
        "file:///data/a b.tif: no such file",
        "/collections/s2-romania/position: the client took nothing for 60 s",
        "http://www.opengis.net/def/crs/EPSG/0/3035 is not known",
        "key 5 of 6",
        "the basic rule",
    ],
)
def test_other_texts_stay(text):
    assert redacted(text) == text


@pytest.mark.parametrize(
    "name", ["token", "access_token", "api_key", "apikey", "X-API-Key", "key", "password", "sig", "X-Amz-Signature",
             "Authorization", "client_secret", "X-Amz-Credential", "pwd"],
)  # fmt: skip
def test_names_of_secrets(name):
    assert is_secret(name)


@pytest.mark.parametrize("name", ["bbox", "datetime", "properties", "monkey", "coords", "f", "collection", "keyword"])
def test_names_of_others(name):
    assert not is_secret(name)


def test_a_query_keeps_what_is_harmless():
    found = redacted_query([("bbox", "1,2,3,4"), ("token", SECRET), ("a b", "c&d")])
    assert found == "bbox=1,2,3,4&token=[redacted]&a+b=c%26d"
    assert len(redacted_query([("x", "a" * 5000)])) == 1001


def line(kind, message, *arguments, extra=None, error=None):
    """A record as the log would have it."""
    record = logging.getLogger("prismcube.test").makeRecord(
        "prismcube.test", logging.ERROR, __file__, 1, message, arguments, error and (type(error), error, None),
        extra=extra,
    )  # fmt: skip
    return logs.formatter(kind).format(record)


@pytest.mark.parametrize("kind", list(LogFormat))
def test_secrets_in_lines(kind):
    error = ValueError(f"postgresql://me:{SECRET}@db/eo")
    written = line(
        kind, "%s failed", f"https://x/a?sig={SECRET}", error=error,
        extra={"token": SECRET, "headers": {"authorization": SECRET}, "tried": [f"password={SECRET}"]},
    )  # fmt: skip
    assert SECRET not in written
    assert "ValueError" in written


def test_a_json_line_is_one_object():
    found = json.loads(line(LogFormat.JSON, "two\nlines", extra={"count": 3, "odd": "\udcff"}))
    assert found["message"] == "two\nlines"
    assert (found["level"], found["logger"], str(found["count"])) == ("error", "prismcube.test", "3")
    assert found["timestamp"].endswith("Z")


def test_nobody_writes_lines_of_his_own_into_the_text():
    assert len(line(LogFormat.TEXT, "/a\n2026-01-01 [error] forged\x1b[31m").splitlines()) == 1
    assert "\x1b" not in line(LogFormat.TEXT, "/a\x1b[31m")


def test_lines_have_the_id_of_their_request():
    import contextvars

    def in_request():
        logs.bind(request_id="abc")
        return line(LogFormat.JSON, "x"), logs.request_id()

    written, known = contextvars.copy_context().run(in_request)
    assert json.loads(written)["request_id"] == known == "abc"
    assert logs.request_id() == ""


@pytest.mark.parametrize(
    "text",
    [
        "/collections/prism_0123456789ab_Zm9v-YmFy",
        "q=prism_0123456789ab_Zm9v",
        "no collection 'eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln'",
    ],
)
def test_keys_and_tokens_anywhere(text):
    """Somebody may put them into a path or a search by mistake."""
    assert HIDDEN in redacted(text)
    assert "Zm9v" not in redacted(text)
    assert "c2ln" not in redacted(text)
