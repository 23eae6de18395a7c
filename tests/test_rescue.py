"""A frame that went wrong is painted once more, with less; what was changed is known."""

import pytest
import torch

from render.errors import EngineError
from render.painted import DivergedError, Painted
from render.rescue import Rescuer


class Settings:
    """A painter of which the settings are all that matters, and what it was told to give up."""

    def __init__(self, job):
        self.job = job
        self.forgotten = 0

    def forget(self):
        self.forgotten += 1


@pytest.fixture
def rescuer(video_job):
    return Rescuer(video_job("model.precision=bfloat16", "optimize.history=9"), Settings)


def failing(error, wrong):
    def paint(painter):
        if wrong(painter.job):
            raise error
        return Painted(None, painter.job.optimize.history, {})

    return paint


def test_what_goes_well_is_painted_as_the_job_says(rescuer):
    painted, changed = rescuer.paint(failing(None, lambda job: False))
    assert (painted.evaluations, changed) == (9, {})


def test_a_frame_that_does_not_fit_is_painted_with_a_shorter_history(rescuer):
    paint = failing(torch.OutOfMemoryError("full"), lambda job: job.optimize.history > 2)
    painted, changed = rescuer.paint(paint)
    assert painted.evaluations == 2
    assert changed == {"optimize.history": 2}
    assert rescuer._painter.forgotten == 1  # first, what it holds to be faster
    assert rescuer.paint(failing(None, lambda job: False))[1] == {}  # the next one as ever


def test_a_frame_that_never_fits_fails_with_advice(rescuer):
    with pytest.raises(EngineError, match=r"memory is too small.*set a smaller output\.size"):
        rescuer.paint(failing(torch.OutOfMemoryError("full"), lambda job: True))


def test_a_frame_whose_numbers_ran_away_is_painted_in_float32(rescuer):
    paint = failing(DivergedError("nan"), lambda job: job.model.precision != "float32")
    assert rescuer.paint(paint)[1] == {"optimize.history": 2, "model.precision": "float32"}


def test_a_frame_whose_numbers_run_away_again_fails_with_both_reasons(rescuer):
    with pytest.raises(DivergedError, match="nan; with safer settings: nan"):
        rescuer.paint(failing(DivergedError("nan"), lambda job: True))
