"""What is under way never fills an object store."""

import numpy as np

from render.farm.flight import Flight, weigh
from render.media.frames import Frame

PICTURE = np.zeros((10, 10, 3), np.uint8)


def task(index=0):
    return Frame(index, PICTURE, PICTURE[..., 0])


def test_a_task_weighs_what_its_pictures_and_files_do():
    assert weigh(task()) == 400
    assert weigh((task(), [b"12345"], None, 7, "text")) == 405


def test_no_more_is_sent_than_a_quarter_of_the_driver_s_store_holds():
    flight = Flight("here", lambda: {"here": 4000, "a": 1e9, "b": 1e9})
    calls = []
    while flight.may("a"):
        calls.append(object())
        flight.sent(calls[-1], "a", task())
    assert len(calls) == 2
    assert not flight.may("b")
    flight.back(calls.pop())
    assert flight.may("b")


def test_a_small_node_is_sent_less():
    flight = Flight("here", lambda: {"here": 1e9, "small": 1600})
    flight.sent("call", "small", task())
    assert not flight.may("small")
    assert flight.may("other")


def test_something_is_always_under_way_however_large_it_is():
    flight = Flight("here", lambda: {"here": 10, "a": 10})
    assert flight.may("a")
    flight.sent("call", "a", task())
    assert not flight.may("a")
    flight.back("call")
    flight.back("call")
    assert flight.may("a")
