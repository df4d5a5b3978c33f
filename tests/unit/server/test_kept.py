"""Answers that are kept until something changes."""

import threading

from providers.ogc.answer import Answer
from server.kept import Kept


class Maker:
    """Makes an answer, and counts how often."""

    def __init__(self, body=b"x"):
        self.body = body
        self.made = 0

    def __call__(self):
        self.made += 1
        return Answer(self.body)


def test_an_answer_is_made_once_a_version():
    kept, make = Kept(), Maker()
    for version, made in [(1, 1), (1, 1), (2, 2), (2, 2)]:
        assert kept.get("a", version, make).body == b"x"
        assert make.made == made


def test_what_was_asked_tells_them_apart():
    kept = Kept()
    assert kept.get("a", 1, Maker(b"a")).body == b"a"
    assert kept.get("b", 1, Maker(b"b")).body == b"b"


def test_an_answer_of_an_older_version_is_not_kept():
    """A slow request that began before a change must not give its answer to those after it."""
    kept, late = Kept(), Maker(b"new")
    kept.get("b", 2, Maker())
    assert kept.get("a", 1, Maker(b"old")).body == b"old"
    assert kept.get("a", 2, late).body == b"new"
    assert late.made == 1


def test_a_change_while_an_answer_is_made():
    kept = Kept()

    def make():
        kept.get("other", 2, Maker())
        return Answer(b"old")

    kept.get("a", 1, make)
    assert kept.get("a", 2, Maker(b"new")).body == b"new"


def test_those_asked_for_last_stay_within_the_bounds():
    kept, first, large = Kept(most_bytes=25, most=3), Maker(b"0123456789"), Maker(b"x" * 26)
    kept.get("a", 1, first)
    kept.get("b", 1, Maker(b"0123456789"))
    kept.get("a", 1, first)
    kept.get("c", 1, Maker(b"0123456789"))
    kept.get("a", 1, first)
    assert first.made == 1, "b has gone, it was the oldest"
    for _ in range(2):
        kept.get("d", 1, large)
    assert large.made == 2, "larger than all there is room for"


def test_threads_may_share_it():
    kept, wrong = Kept(most=3), []

    def ask():
        for at in range(700):
            key, version = at % 7, at // 100
            if kept.get(key, version, Maker(b"%d" % key)).body != b"%d" % key:
                wrong.append(at)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert wrong == []
