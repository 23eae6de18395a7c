"""What a job says of the engine reaches it."""

import numpy as np
import pytest
from painting import halves, moving_frames, painter

FRAME = moving_frames()[0]

SETTINGS = [
    {"style": {"loss": "covariance"}},
    {"style": {"loss": "wasserstein"}},
    {"optimize": {"optimizer": "adam", "evaluations": 6}},
    {"optimize": {"scales": [2, 1], "scale_factor": 1.4142, "evaluations": 6}},
    {"model": {"weights": "procedural", "pooling": "l2"}},
    {"objective": "neural-style", "style": {"layers": {"relu1_1": 1}}},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_every_setting_reaches_the_engine(settings):
    painted = painter(**settings).paint(FRAME)
    assert painted.evaluations == 6
    assert not np.array_equal(painted.pixels, painter().paint(FRAME).pixels)


ADAM = {"optimizer": "adam", "evaluations": 6}
LONG = {"evaluations": 12}
STYLES = [{"path": "/a/one.png"}, {"path": "/a/two.png"}]
PAIRS = [
    ({"style": {"scale": 0.5}}, {}),
    ({"style": {"weight": 8}}, {}),
    ({"style": {"images": STYLES}}, {"style": {"images": [STYLES[0] | {"weight": 3}, STYLES[1]]}}),
    ({"content": {"weight": 2}}, {}),
    ({"content": {"colours": "own"}}, {"content": {"colours": "style"}}),
    ({"colour": {"keep": "palette", "strength": 0.5}}, {"colour": {"keep": "palette"}}),
    ({"optimize": LONG | {"history": 1}}, {"optimize": LONG}),
    ({"optimize": {"tv_weight": 2}}, {}),
    ({"optimize": ADAM | {"learning_rate": 0.05}}, {"optimize": ADAM}),
]


@pytest.mark.parametrize(("one", "other"), PAIRS, ids=str)
def test_every_number_reaches_the_engine(one, other):
    painted = [painter(**settings).paint(FRAME).pixels for settings in (one, other)]
    assert not np.array_equal(*painted)


def test_layers_that_count_for_nothing_are_not_computed():
    style = {"layers": {"relu1_1": 1, "relu2_1": 0}}
    content = {"layers": {"relu1_2": 1, "relu2_2": 0}}
    without = painter(style=style, content={**content, "weight": 0})
    assert without.stylizer.vgg.layers == {"relu1_1"}
    assert set(without.paint(FRAME).loss) == {"style", "tv"}
    assert painter(style=style, content=content).stylizer.vgg.layers == {"relu1_1", "relu1_2"}


def test_a_first_frame_stops_when_little_is_left_to_gain():
    hasty = painter(optimize={"evaluations": 40, "tolerance": 0.9})
    assert hasty.paint(FRAME).evaluations < 40


TWO = [{"content": "/a/left.png"}, {"content": "/a/right.png"}]
BOUND = [
    ({"images": STYLES}, {"images": STYLES, "regions": [TWO[0], TWO[1] | {"image": 1}]}),
    ({}, {"regions": [TWO[0], TWO[1] | {"weight": 3}]}),
    ({"feather": 0}, {"feather": 0.3}),
]


@pytest.mark.parametrize(("one", "other"), BOUND, ids=str)
def test_everything_that_is_said_of_a_region_reaches_the_engine(one, other):
    painted = [
        painter(style={"regions": TWO} | style).paint(FRAME, masks=halves()).pixels
        for style in (one, other)
    ]
    assert not np.array_equal(*painted)
