"""Who is to blame, and when it is enough."""

import pytest

from render.errors import FarmError
from render.farm.attempts import NODE_FAULTS, Attempts, failure_limit


def test_a_frame_has_as_many_attempts_at_a_stage_as_retries_and_one():
    attempts = Attempts(retries=2, losses=9)
    assert [attempts.fault((3,), 0) for _ in range(3)] == [1, 2, None]
    assert attempts.fault((4,), 0) == 1
    assert attempts.fault((3,), 1) == 1


def test_workers_that_die_one_after_the_other_end_the_run_but_not_if_frames_come_in_between():
    attempts = Attempts(retries=0, losses=2)
    for _ in range(5):
        attempts.lost("a", "gone")
        attempts.lost(None, "gone")
        attempts.answered()
    attempts.lost("a", "gone")
    attempts.lost("a", "gone")
    with pytest.raises(FarmError, match="3 workers in a row died; the last: power cut"):
        attempts.lost("b", "power cut")


def test_faults_of_the_farm_are_none_of_the_frame():
    attempts = Attempts(retries=0, losses=9)
    attempts.lost("a", "gone")
    assert attempts.fault((1,), 0) is None
    assert Attempts(retries=1, losses=0).fault((1,), 0) == 1


def test_a_node_on_which_workers_keep_dying_is_avoided_while_there_are_others():
    attempts = Attempts(retries=0, losses=99)
    for _ in range(NODE_FAULTS):
        assert attempts.avoided(["a", "b"]) == []
        attempts.lost("a", "gone")
    assert attempts.avoided(["a", "b"]) == ["a"]
    assert attempts.avoided(["a"]) == []


def test_how_many_frames_may_fail_is_a_number_or_a_share():
    assert failure_limit("3", 200) == 3
    assert failure_limit("2.5%", 200) == 5
    assert failure_limit(None, 200) is None
