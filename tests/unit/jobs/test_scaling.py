"""How many workers there should be: properties of the rule, and the numbers of Geocube's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prismcube.jobs.scaling import Scaling, cheapest

kinds = st.sampled_from(["download", "process", "other"])
backlogs = st.dictionaries(kinds, st.integers(0, 10**7))
ratios = st.floats(0.01, 1_000)


@st.composite
def scalings(draw: st.DrawFn) -> Scaling:
    most = draw(st.integers(1, 1_000))
    return Scaling(
        most=most,
        least=draw(st.integers(0, most)),
        ratio=draw(ratios),
        ratios=draw(st.dictionaries(kinds, ratios)),
        step=draw(st.none() | st.integers(1, 50)),
    )


@given(scalings(), backlogs, st.integers(0, 2_000))
def test_one_step_at_a_time_and_never_beyond_the_bounds(rule: Scaling, backlog: dict[str, int], current: int) -> None:
    number = rule.wanted(backlog, current)
    assert abs(number - current) <= (rule.step or max(1, rule.most // 10))
    assert min(current, rule.least) <= number <= max(current, rule.most)


@given(scalings(), backlogs, st.integers(0, 2_000))
def test_it_comes_to_rest_and_stays_there(rule: Scaling, backlog: dict[str, int], current: int) -> None:
    path = [current]
    while (number := rule.wanted(backlog, path[-1])) != path[-1]:
        assert len(path) <= 2_001
        path.append(number)
    assert path in (sorted(path), sorted(path, reverse=True))  # without overshooting
    assert rule.least <= path[-1] <= rule.most
    if not sum(backlog.values()):
        assert path[-1] == rule.least
    elif rule.least == 0:
        assert path[-1] >= 1  # what there is gets done


@given(scalings(), backlogs, kinds, st.integers(0, 1_000), st.integers(0, 2_000))
def test_more_to_do_is_never_fewer_workers(
    rule: Scaling, backlog: dict[str, int], kind: str, more: int, current: int
) -> None:
    larger = {**backlog, kind: backlog.get(kind, 0) + more}
    assert rule.wanted(larger, current) >= rule.wanted(backlog, current)


@pytest.mark.parametrize(
    ("backlog", "current", "number", "why"),
    [
        ({}, 0, 0, "nothing to do, and none is kept"),
        ({}, 50, 40, "a tenth of the most goes at once"),
        ({"process": 1}, 0, 1, "one task needs one worker"),
        ({"process": 12}, 8, 10, "1.2 for each"),
        ({"download": 12}, 8, 6, "2 for each"),
        ({"download": 12, "process": 12}, 16, 16, "both together"),
        ({"process": 1_000}, 95, 100, "not more than the most"),
        ({"process": 1_000}, 0, 10, "not all at once"),
        ({"process": 1_000}, 120, 110, "the most was lowered"),
    ],
)
def test_the_numbers_of_geocube(backlog: dict[str, int], current: int, number: int, why: str) -> None:
    rule = Scaling(most=100, ratio=1.2, ratios={"download": 2})
    assert rule.wanted(backlog, current) == number, why


@given(st.dictionaries(st.text(max_size=5), st.floats(0, 1e6)), st.integers(-2, 20))
def test_those_go_first_that_have_spent_the_least(costs: dict[str, float], number: int) -> None:
    chosen = cheapest(costs, number)
    assert len(chosen) == len(set(chosen)) == min(max(number, 0), len(costs))
    stay = costs.keys() - set(chosen)
    assert all(costs[one] <= costs[other] for one in chosen for other in stay)
