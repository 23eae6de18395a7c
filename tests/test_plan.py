"""The plan: what a frame needs of others, and the way to a file and back."""

import json

import pytest

from render.inputs import make_plan
from render.plan import Plan, Unit
from render.planner import anchored


def test_of_a_long_chain_every_sixteenth_frame_is_probed():
    def probed(unit):
        return [n for n in range(len(unit.frames)) if unit.probed(n)]

    assert probed(Unit(0, 0, range(100, 141), chained=True)) == [0, 16, 32]
    assert probed(Unit(0, 0, range(40), chained=True)) == [
        0,
        16,
    ]  # for the last eight there is none
    assert probed(Unit(0, 0, range(25), chained=True)) == [0, 16]
    assert not probed(Unit(0, 0, range(24), chained=True))  # the first would be of no use alone
    assert not probed(Unit(0, 0, range(41), chained=False))
    anchors, *segments = anchored(0, range(1000), [0] * 1000, 32, 16, 0)
    assert not any(probed(unit) for unit in (anchors, *segments))


@pytest.mark.parametrize(
    "cut", [("temporal.segment=4",), ("temporal.parallel=anchors", "temporal.segment=2")]
)
def test_a_plan_survives_being_written_down(video_job, cut):
    plan = make_plan(video_job(*cut, "input.frames=0-10x2"))
    assert Plan.from_data(json.loads(json.dumps(plan.to_data()))) == plan
