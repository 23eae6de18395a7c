"""Who is given which batch: everything once, at most two units in a hand, and a short end."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from render.batches import Batch, Portion
from render.dispatch import UNITS_AT_ONCE, Dispatch

CALLS = 2
"""Batches that a worker may have in its hands."""


def portions(*units):
    """Units of batches, each given by the seconds of its batches."""
    first = 0
    for number, costs in enumerate(units):
        frames = range(first, first + len(costs))
        yield Portion(
            number, frames, tuple(Batch((f,), c) for f, c in zip(frames, costs, strict=True))
        )
        first += len(costs)


def play(units, workers, losses=()):
    """Let workers of one speed paint all batches; those at `losses` (events counted) lose theirs.

    Returns the time, who painted what, and the most units that anybody held at once.
    """
    done = set()
    dispatch = Dispatch(portions(*units), lambda frame: frame not in done)
    hands = {f"w{n}": [] for n in range(workers)}  # (end, given), the oldest first
    free = dict.fromkeys(hands, 0.0)
    now, events, painted, most = 0.0, 0, Counter(), 0
    while dispatch.left:
        for name, held in hands.items():
            while len(held) < CALLS and (given := dispatch.next(name)) is not None:
                begun = max(now, free[name])
                free[name] = begun + given.batch.seconds
                held.append((free[name], given))
                most = max(most, len({given.unit for _, given in held}))
        name = min((name for name, held in hands.items() if held), key=lambda n: hands[n][0][0])
        events += 1
        if events in losses:
            dispatch.release(name, [given for _, given in hands[name]])
            hands[name].clear()
            free[name] = now
            continue
        now, given = hands[name].pop(0)
        dispatch.done(name, given)
        done.update(given.batch.frames)
        painted[name] += 1
        assert len(done) == painted.total()
    return now, painted, most


UNITS = st.lists(st.lists(st.floats(0.1, 30), min_size=1, max_size=20), max_size=8)


@given(UNITS, st.integers(1, 9), st.sets(st.integers(1, 60), max_size=6))
def test_every_batch_is_painted_once_by_any_crew_whatever_is_lost(units, workers, losses):
    _, painted, most = play(units, workers, losses)
    assert painted.total() == sum(map(len, units))
    assert most <= UNITS_AT_ONCE


def test_ten_pictures_in_one_unit_go_around_all_workers():
    time, painted, _ = play([[1.0] * 10], 5)
    assert time == 2
    assert set(painted.values()) == {2}


@given(UNITS.filter(lambda units: sum(map(len, units)) > 20), st.integers(2, 9))
def test_nobody_is_idle_for_longer_than_two_batches_at_the_end(units, workers):
    costs = [cost for unit in units for cost in unit]
    time, _, _ = play(units, workers)
    assert time <= sum(costs) / workers + 2 * max(costs) + 1e-9


def test_a_batch_that_was_given_back_has_a_higher_attempt_and_goes_first():
    dispatch = Dispatch(portions([1, 1, 1]), lambda _: True)
    first = dispatch.next("a")
    dispatch.release("a", [first])
    again = dispatch.next("b")
    assert (again.batch, again.attempt) == (first.batch, 2)
    assert dispatch.left == 3


def test_a_suspect_batch_is_taken_apart():
    unit = Portion(0, range(3), (Batch((0, 1, 2), 6.0),))
    dispatch = Dispatch([unit], lambda _: True)
    given = dispatch.next("a")
    dispatch.release("a", [given])
    dispatch.separate(given)
    alone = [dispatch.next(name) for name in "abc"]
    assert [one.batch for one in alone] == [Batch((n,), 2.0) for n in range(3)]
    assert dispatch.next("d") is None


def test_what_is_finished_is_not_given_and_its_batch_is_whole_if_one_is_missing():
    unit = Portion(0, range(4), (Batch((0, 1), 1.0), Batch((2, 3), 1.0)))
    dispatch = Dispatch([unit], lambda frame: frame == 3)
    assert dispatch.next("a").batch.frames == (2, 3)
    assert dispatch.next("a") is None


@pytest.mark.parametrize("count", [0, 7])
def test_of_finished_units_nothing_is_left(count):
    assert Dispatch(portions(*[[1.0]] * count), lambda _: False).left == 0


def test_only_a_few_units_are_looked_at_ahead():
    looked = []

    def units():
        for unit in portions(*[[1.0] * 256] * 100):
            looked.append(unit.number)
            yield unit

    Dispatch(units(), lambda _: True)
    assert len(looked) < 20
