"""API keys from the command that makes them to the answers they open: the real commands, a real socket."""

import base64
import time

import httpx
import pytest

OPEN, HIDDEN = "l8-paraguay", "s2-romania"
OPEN_ONES = [OPEN, "lakes-open"]
ALL = [OPEN, "lakes-hidden", "lakes-open", HIDDEN]
PLAN = f"/collections/{OPEN}/coverage?f=plan&scale-factor=8"


@pytest.fixture
def keys(guarded):
    return guarded.keys


def bearer(key):
    return {"Authorization": f"Bearer {key}"}


def basic(text):
    return {"Authorization": "Basic " + base64.b64encode(text.encode()).decode()}


@pytest.fixture
def get(guarded, keys):
    """GET as the holder of a key, by its name; None: as nobody."""

    def ask(path, who=None, method="GET", **more):
        headers = {**(bearer(keys[who]) if who else {}), **more.pop("headers", {})}
        return httpx.request(method, guarded.url + path, headers=headers, timeout=120, **more)

    return ask


def names(answer):
    return [one["id"] for one in answer.json()["collections"]]


# --- what a key opens -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("who", "seen"),
    [(None, OPEN_ONES), ("reader", OPEN_ONES), ("forester", ALL), ("admin", ALL)],
)
def test_rules_decide_what_a_caller_sees(get, who, seen):
    assert names(get("/collections", who)) == seen
    for name in (OPEN, HIDDEN):
        assert get(f"/collections/{name}", who).status_code == (200 if name in seen else 404)


@pytest.mark.parametrize(
    "headers",
    [
        lambda key: bearer(key),
        lambda key: {"authorization": f"bEARER  {key}"},
        lambda key: {"X-API-Key": key},
        lambda key: basic(f"anything:{key}"),
        lambda key: basic(f":{key}"),
    ],
    ids=["bearer", "any case", "x-api-key", "basic", "basic without a name"],
)
def test_ways_to_show_a_key(get, keys, headers):
    assert get(f"/collections/{HIDDEN}", headers=headers(keys["forester"])).status_code == 200


def test_a_key_in_the_address_is_none(get, keys):
    for name in ("key", "api_key", "apikey", "token", "access_token"):
        assert get(f"/collections?{name}={keys['forester']}").status_code == 400
        assert get(f"/collections/{HIDDEN}?{name}={keys['forester']}").status_code in (400, 404)


# --- what is refused ------------------------------------------------------------------------------------------------


def refused(answer):
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == 401
    assert answer.headers["cache-control"] == "no-store"
    challenges = answer.headers.get_list("www-authenticate")
    assert [one.split()[0] for one in challenges] == ["Bearer", "Basic"]
    return answer.json()["detail"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer prism_0123456789ab_" + "x" * 43},
        {"Authorization": "Bearer prism_0123456789ab_short"},
        {"Authorization": "Bearer a.b.c"},
        {"Authorization": "Bearer " + "x" * 20_000},
        {"Authorization": "Digest username=x"},
        {"Authorization": "Basic !!!"},
        {"Authorization": "Basic Og=="},
        basic("user:password"),
        basic("no colon"),
        {"Authorization": b"Bearer \xff\xfe"},
        {"X-API-Key": ""},
        {"X-API-Key": "é".encode()},
        {"X-API-Key": "Bearer prism_0123456789ab_" + "x" * 43},
    ],
)
def test_what_is_no_key(get, headers):
    for path in ("/", "/collections", f"/collections/{OPEN}", "/catalogue", "/nothing/there", PLAN):
        refused(get(path, headers=headers))


def test_a_wrong_secret_is_as_bad_as_an_unknown_id(get, keys):
    head, secret = keys["forester"][:19], keys["forester"][19:]
    wrong = refused(get("/", headers=bearer(head + secret[::-1])))
    assert wrong == refused(get("/", headers=bearer("prism_0123456789ab_" + secret)))
    assert secret not in wrong


def test_more_than_one_is_none(get, keys):
    both = {**bearer(keys["forester"]), "X-API-Key": keys["forester"]}
    refused(get("/", headers=both))
    twice = [("Authorization", f"Bearer {keys['forester']}"), ("Authorization", f"Bearer {keys['admin']}")]
    refused(httpx.get(str(get("/").url), headers=twice))


def test_health_is_open_whatever_is_shown(get):
    for path in ("/healthz", "/readyz"):
        assert get(path).status_code == 200
        assert get(path, headers=bearer("nonsense")).status_code == 200


def test_metrics_are_for_administrators(get):
    assert get("/metrics").status_code == 401
    assert get("/metrics", "editor").status_code == 403
    assert get("/metrics", "admin").status_code == 200


def test_processes_and_jobs_are_for_those_who_are_known(get):
    for path in ("/processes", "/jobs", "/processes/hello-world/execution"):
        refused(get(path))
        assert get(path, "reader").status_code != 401


def test_browsers_are_asked_at_login(get):
    refused(get("/login"))
    back = get("/login", "reader")
    assert (back.status_code, httpx.URL(back.headers["location"]).path) == (303, "/")


# --- the catalogue, and plans, which name files ----------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/catalogue", "/catalogue/collections", "/catalogue/datasets", PLAN])
@pytest.mark.parametrize(
    ("who", "status"), [(None, 401), ("reader", 403), ("forester", 403), ("keeper", 200), ("admin", 200)]
)
def test_reading_what_names_files_needs_the_scope_write(get, path, who, status):
    answer = get(path, who)
    assert answer.status_code == status
    if status == 401:
        refused(answer)
    assert "file://" not in answer.text or status == 200


@pytest.mark.parametrize("path", ["/catalogue", "/catalogue/collections", "/catalogue/collections/s2-romania"])
def test_whom_a_rule_hides_something_from_has_no_catalogue(get, path):
    answer = get(path, "writer")
    assert answer.status_code == 403
    assert HIDDEN not in answer.text


def change(get, who, name, **more):
    return get(f"/catalogue/collections/{name}", who, "PATCH", json={"title": f"by {who}"}, **more)


def test_pages_show_no_more_than_documents(get):
    """Whoever may not see a document gets no page of it either, by `f` or by Accept."""
    for who, path, status in (
        (None, "/collections/s2-romania/locations", 404),
        ("forester", "/collections/s2-romania/locations", 200),
        (None, "/catalogue/records", 401),
        ("reader", "/catalogue", 403),
        ("writer", "/catalogue/records", 403),
        ("admin", "/catalogue/records", 200),
    ):
        for asked in ({"f": "html"}, {"Accept": "text/html"}):
            query = "?f=html" if "f" in asked else ""
            headers = {"Accept": "text/html"} if "Accept" in asked else {}
            answer = get(path + query, who, headers=headers)
            assert answer.status_code == status, (who, path, asked)
            assert ("S2_2015" in answer.text) is (status == 200 and path == "/catalogue/records")


def test_rules_decide_who_changes_a_collection(get):
    assert change(get, "editor", OPEN).status_code == 200
    assert get(f"/collections/{OPEN}", None).json()["title"] == "by editor"
    assert change(get, "keeper", OPEN).status_code == 403
    assert change(get, "keeper", HIDDEN).status_code == 200
    assert change(get, "writer", OPEN).status_code == 403
    assert change(get, "reader", OPEN).status_code == 403
    assert change(get, None, OPEN).status_code == 401
    assert get(f"/collections/{OPEN}", None).json()["title"] == "by editor"


def test_names_decide_whoever_makes_or_deletes(get):
    document = get(f"/catalogue/collections/{HIDDEN}", "keeper").json()
    own = {key: value for key, value in document.items() if key not in ("id", "extent")}
    for name, status in (("l8-new", 403), ("s2-new", 201)):
        made = get("/catalogue/collections", "keeper", "POST", json={**own, "name": name})
        assert made.status_code == status
    assert get("/catalogue/collections/l8-paraguay", "keeper", "DELETE").status_code == 403
    many = {"ids": ["s2-new", OPEN]}
    assert get("/catalogue/collections/delete", "keeper", "POST", json=many).status_code == 403
    assert get("/catalogue/collections/s2-new", "keeper").status_code == 200
    assert get("/catalogue/collections/s2-new", "keeper", "DELETE").status_code == 204


@pytest.mark.parametrize(
    ("method", "path", "document"),
    [
        ("POST", "/palettes", {"name": "p", "points": []}),
        ("POST", "/records", []),
        ("DELETE", "/records/1", None),
        ("PATCH", "/variables/1", {"unit": "m"}),
        ("POST", "/records/tags", {"ids": [1], "add": {"a": "b"}}),
        ("POST", "/datasets/status", {"ids": [1], "status": "inactive"}),
        ("POST", "/tidy", {}),
        ("POST", "/datasets/delete", {"ids": [1]}),
    ],
)
def test_what_all_collections_share_is_changed_by_who_may_change_them_all(get, method, path, document):
    kept = get("/catalogue/records", "admin").json(), get("/catalogue/variables", "admin").json()
    for who, status in ((None, 401), ("reader", 403), ("writer", 403), ("keeper", 403)):
        sent = {"json": document} if document is not None else {}
        answer = get(f"/catalogue{path}", who, method, **sent)
        assert answer.status_code == status, (who, answer.text)
    assert kept == (get("/catalogue/records", "admin").json(), get("/catalogue/variables", "admin").json())


def test_passwords_that_browsers_add_by_themselves_are_not_enough_for_other_sites(get, guarded, keys):
    evil = {"Origin": "http://evil.example"}
    assert change(get, None, HIDDEN, headers={**basic(f":{keys['keeper']}"), **evil}).status_code == 403
    own = {"Origin": guarded.url}
    assert change(get, None, HIDDEN, headers={**basic(f":{keys['keeper']}"), **own}).status_code == 200
    assert change(get, None, HIDDEN, headers={**bearer(keys["keeper"]), **evil}).status_code == 200


# --- caches ---------------------------------------------------------------------------------------------------------


def test_what_a_key_opens_is_kept_by_its_holder_alone(get):
    for path in ("/collections", f"/collections/{OPEN}", f"/collections/{OPEN}/coverage?scale-factor=8&f=json"):
        assert "public" in get(path).headers["cache-control"]
        known = get(path, "forester").headers
        assert "private" in known["cache-control"]
        assert "Authorization" in known["vary"]
        assert "X-API-Key" in known["vary"]
    assert get("/viewer", "forester").headers["cache-control"]
    for path in (f"/collections/{HIDDEN}", "/catalogue", "/nothing"):
        assert "public" not in get(path).headers["cache-control"]


# --- the life of a key ----------------------------------------------------------------------------------------------


def test_revoked_keys_are_refused_within_seconds_by_every_worker(guarded, get):
    key = guarded.run("key", "create", "short-lived", "--group", "foresters", "--expires", "90d").stdout.strip()
    for _ in range(10):
        assert get(f"/collections/{HIDDEN}", headers=bearer(key)).status_code == 200
    guarded.run("key", "revoke", "short-lived")
    deadline = time.monotonic() + 60
    refusals = 0
    while refusals < 10:  # in a row: both workers have asked again
        status = get(f"/collections/{HIDDEN}", headers=bearer(key)).status_code
        refusals = refusals + 1 if status == 401 else 0
        assert time.monotonic() < deadline
    assert "revoked" in guarded.run("key", "list").stdout
    guarded.run("key", "delete", "short-lived")
    assert "short-lived" not in guarded.run("key", "list").stdout


def test_keys_are_listed_with_their_use_and_without_their_secrets(guarded, keys, get):
    assert get("/collections", "forester").status_code == 200
    deadline = time.monotonic() + 60
    while True:
        listed = guarded.run("key", "list").stdout
        [line] = [line for line in listed.splitlines() if line.split()[:1] == ["forester"]]
        if "never" not in line:
            break
        assert time.monotonic() < deadline
    for key in keys.values():
        assert key[19:] not in listed


def test_secrets_are_in_no_log(guarded, keys, get):
    get(f"/collections/{OPEN}", "forester")
    get("/", headers=basic(f"user:{keys['forester']}x"))
    printed = guarded.output.read_text()
    for key in keys.values():
        assert key not in printed
        assert key[19:] not in printed


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("create", "reader"), "exists already"),
        (("create", "a b"), "letters, digits"),
        (("create", "x", "--group", "a b"), "letters, digits"),
        (("create", "x", "--expires", "soon"), "90d"),
        (("create", "x", "--expires", "2001-01-01"), "before now"),
        (("revoke", "nobody"), "no key"),
        (("delete", "nobody"), "no key"),
    ],
)
def test_mistakes_of_the_command(guarded, arguments, reason):
    assert reason in guarded.run("key", *arguments, status=1).stderr
