"""Whose turn it is: what each frame waits for, with notes of what is painted instead of pictures."""

from itertools import product

import pytest

from render.plan import Unit
from render.planner import anchored
from render.spec.stages import AHEAD
from render.turns import LEVEL, Turns, foremost, gives_way, in_order

WAVES = Unit(0, 0, range(10), chained=True, stages=3)


class Notes:
    """What is painted, and what was set aside."""

    def __init__(self):
        self.done = set()
        self.failed = set()

    def turns(self, unit, stage=0):
        return Turns(unit, stage, lambda *which: which in self.done, self.failed)

    def paint(self, *frames, stage=None):
        self.done |= {(frame, stage) for frame in frames}


@pytest.fixture
def notes():
    return Notes()


def test_the_first_frame_begins_and_the_second_waits_for_its_detail(notes):
    turns = notes.turns(WAVES)
    assert turns.ready()
    assert turns.frame == 0
    assert turns.predecessor() is None
    turns.advance()
    assert not turns.ready()
    notes.paint(0, stage=0)
    assert turns.ready()
    assert (turns.frame, turns.predecessor(), turns.first()) == (1, 0, 0)


def test_a_later_stage_waits_for_the_one_below(notes):
    turns = notes.turns(WAVES, 1)
    assert not turns.ready()
    notes.paint(0, stage=0)
    assert turns.ready()


def test_a_stage_is_not_further_ahead_of_the_next_than_may_be(notes):
    turns = notes.turns(WAVES)
    for frame in range(AHEAD):
        assert turns.ready()
        turns.advance()
        notes.paint(frame, stage=0)
    assert not turns.ready()
    notes.paint(0, stage=1)
    assert turns.ready()


def test_what_was_sent_and_not_painted_is_sent_again_after_a_rewind(notes):
    turns = notes.turns(WAVES)
    notes.paint(0, 1, stage=0)
    turns.rewind()
    turns.advance()
    turns.advance()
    turns.rewind()
    assert turns.frame == 2


def test_a_frame_that_was_set_aside_is_passed_over_by_those_after_it(notes):
    turns = notes.turns(WAVES)
    notes.paint(0, stage=0)
    notes.failed.add(1)
    assert turns.ready()
    assert (turns.frame, turns.predecessor()) == (2, 0)
    assert notes.turns(WAVES, 1).ready()


def test_a_frame_set_aside_in_a_later_stage_still_counts_in_those_that_it_left(notes):
    notes.paint(0, 1, stage=0)
    notes.paint(0, stage=1)
    notes.failed.add(1)
    low, high = notes.turns(WAVES), notes.turns(WAVES, 1)
    notes.paint(2, stage=0)
    assert low.ready()
    assert high.ready()
    assert (low.frame, high.frame) == (3, 2)
    assert high.predecessor() == 0
    low.rewind()
    assert low.predecessor() == 2


def test_finished_frames_are_not_painted_again_and_a_finished_unit_has_ended(notes):
    notes.paint(*range(10))
    assert notes.turns(WAVES, 2).ended()
    assert notes.turns(WAVES, 0).ended()


def test_frames_that_do_not_follow_each_other_wait_for_nothing(notes):
    turns = notes.turns(Unit(0, 0, range(3), chained=False))
    for frame in range(3):
        assert turns.ready()
        assert (turns.frame, turns.predecessor()) == (frame, None)
        turns.advance()
    assert turns.ended()


ANCHORS, *SEGMENTS = anchored(0, range(0, 30), [0] * 30, 12, 4, 0)


def test_a_segment_waits_for_its_anchor_and_starts_from_it(notes):
    turns = notes.turns(SEGMENTS[1])
    assert not turns.ready()
    notes.paint(10)
    assert turns.ready()
    assert (turns.frame, turns.predecessor(), turns.first(), turns.towards()) == (11, 10, 10, None)


def test_its_last_frames_wait_for_the_next_anchor_and_are_led_to_it(notes):
    turns = notes.turns(SEGMENTS[0])
    notes.paint(0, *range(1, 6))
    assert not turns.ready()
    assert turns.frame == 6
    notes.paint(10)
    assert turns.ready()
    assert turns.towards() == 10


def test_a_segment_whose_anchors_were_set_aside_stands_alone(notes):
    turns = notes.turns(SEGMENTS[0])
    notes.failed |= {0, 10}
    assert turns.ready()
    assert (turns.frame, turns.predecessor()) == (1, None)
    notes.paint(*range(1, 6))
    assert turns.ready()
    assert (turns.frame, turns.towards()) == (6, None)


def test_frames_further_back_are_those_that_a_chain_has(notes):
    turns = notes.turns(SEGMENTS[0])
    notes.paint(0, *range(1, 5))
    assert turns.ready()
    assert turns.earlier((2, 4, 8)) == [3, 1]
    notes.failed.add(4)
    notes.done.remove((4, None))
    turns.rewind()
    assert turns.ready()
    assert (turns.predecessor(), turns.earlier((2, 4, 8))) == (3, [1])
    assert notes.turns(ANCHORS).earlier((2,)) == []


def test_units_that_others_wait_for_begin_then_the_longest():
    pictures = [Unit(n, 0, range(n, n + 1), chained=False) for n in range(3)]
    assert in_order(pictures) == pictures
    shots = [Unit(0, 0, range(3), chained=True), Unit(1, 1, range(3, 9), chained=True)]
    assert in_order([*shots, *SEGMENTS, ANCHORS])[0] is ANCHORS
    assert in_order(shots) == shots[::-1]


def test_a_worker_leaves_a_chain_for_a_longer_one_only_in_the_last_round(notes):
    short = notes.turns(Unit(0, 0, range(5), chained=True))
    level = notes.turns(Unit(1, 1, range(10, 15 + LEVEL), chained=True))
    longer = notes.turns(Unit(2, 2, range(20, 26 + LEVEL), chained=True))
    assert gives_way(short, [level, longer], workers=3)
    assert not gives_way(short, [level, longer], workers=2)
    assert not gives_way(short, [level], workers=3)
    assert not gives_way(short, [], workers=3)
    assert not gives_way(longer, [short], workers=3)
    pictures = notes.turns(Unit(3, 3, range(5), chained=False))
    assert not gives_way(pictures, [longer], workers=3)


def test_anchors_are_left_for_nothing_and_stages_for_their_like(notes):
    others = [notes.turns(Unit(9, 9, range(100, 200), chained=True))]
    assert not gives_way(notes.turns(ANCHORS), others, workers=3)
    assert gives_way(notes.turns(WAVES, 0), others, workers=3)
    assert not gives_way(notes.turns(WAVES, 1), others, workers=3)


def test_the_first_stage_goes_as_far_ahead_as_it_may_and_then_the_latest(notes):
    lines = [type("Line", (), {"turns": notes.turns(WAVES, stage)}) for stage in range(3)]
    order = []
    for _ in range(AHEAD + 4):
        turns = foremost([line for line in lines if line.turns.ready()]).turns
        order.append(turns.stage)
        notes.paint(turns.frame, stage=None if turns.stage == 2 else turns.stage)
        turns.advance()
    assert order == [0] * AHEAD + [1, 0, 2, 1]


def test_every_order_of_play_ends(notes):
    """Whoever is ready is painted at once, one after the other, until nothing is left."""
    units = [ANCHORS, *SEGMENTS, Unit(9, 1, range(30, 36), chained=True, stages=3)]
    lines = [type("Line", (), {"turns": notes.turns(u, s)}) for u in units for s in range(u.stages)]
    order = []
    while ready := [line for line in lines if line.turns.ready()]:
        turns = foremost(ready).turns
        frame, last = turns.frame, turns.stage == turns.unit.stages - 1
        order.append((frame, None if last else turns.stage))
        turns.advance()
        notes.done.add(order[-1])
    waves = product(range(30, 36), (0, 1, None))
    assert sorted(order, key=str) == sorted([*((n, None) for n in range(30)), *waves], key=str)
    assert order.index((10, None)) < order.index((6, None))
