"""The plan: what a frame needs of others, and the way to a file and back."""

import json

import pytest

from render.inputs import make_plan
from render.plan import Plan, Unit
from render.planner import anchored


def test_of_a_long_chain_every_twentieth_frame_is_probed():
    def probed(unit):
        return [n for n in range(len(unit.frames)) if unit.probed(n)]

    assert probed(Unit(0, 0, range(100, 151), chained=True)) == [0, 20, 40]
    assert probed(Unit(0, 0, range(50), chained=True)) == [0, 20]  # for the last ten there is none
    assert probed(Unit(0, 0, range(31), chained=True)) == [0, 20]
    assert not probed(Unit(0, 0, range(30), chained=True))  # the first would be of no use alone
    assert not probed(Unit(0, 0, range(51), chained=False))
    anchors, *segments = anchored(0, range(1000), [0] * 1000, 32, 16, 0)
    assert not any(probed(unit) for unit in (anchors, *segments))


@pytest.mark.parametrize(
    "cut", [("temporal.segment=4",), ("temporal.parallel=anchors", "temporal.segment=2")]
)
def test_a_plan_survives_being_written_down(video_job, cut):
    plan = make_plan(video_job(*cut, "input.frames=0-10x2"))
    assert Plan.from_data(json.loads(json.dumps(plan.to_data()))) == plan
