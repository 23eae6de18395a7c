"""How the loss falls, by optimiser and precision."""

import pytest
import torch
from engine import WEIGHTS, network, photo, picture, stylizer

from render.style.convolution import has_fused
from render.style.objective import Objective, Region
from render.style.stylizer import MARGIN

emulated = pytest.mark.skipif(
    not has_fused(), reason="half precision is emulated here, at a tenth of the speed"
)

GOLDEN = {
    ("lbfgs", "float32"): (0.4330, 0.2613, 0.2555),
    ("lbfgs", "bfloat16"): (0.4287, 0.2622, 0.2595),
    ("adam", "float32"): (1.3536, 0.3556, 0.2987),
    ("adam", "bfloat16"): (1.3535, 0.3556, 0.2990),
}
"""The loss at evaluations 10, 50 and 100, by optimiser and precision."""
TOLERANCE = {"float32": 0.03, "bfloat16": 0.06}
"""Of golden losses, as a share: other processors round otherwise, and that grows along the way."""


@pytest.mark.parametrize(
    ("optimizer", "precision"),
    [pytest.param(*each, marks=emulated if each[1] == "bfloat16" else ()) for each in GOLDEN],
)
def test_the_trajectory_of_the_loss_is_the_known_one(optimizer, precision):
    """Golden runs: what the optimisers do may only change on purpose."""
    painter = stylizer(network(precision), optimizer=optimizer, evaluations=100)
    trace = painter.stylize(picture(64, 48, 0)).trace[:, 0]
    assert trace[0].item() == pytest.approx(WEIGHTS.style)
    assert trace[[9, 49, 99]].tolist() == pytest.approx(
        GOLDEN[optimizer, precision], rel=TOLERANCE[precision]
    )


@emulated
@pytest.mark.parametrize("name", ["fruit.jpg", "lake.jpg", "mill.jpg"])
def test_bfloat16_convolutions_reach_the_loss_of_float32(name):
    """To 2%, both judged in float32: what bfloat16 itself sees is blurred by its own rounding."""
    content = photo(f"photos/{name}")
    canvas = torch.nn.functional.pad(content, (MARGIN,) * 4, "reflect")
    full = stylizer(network("float32"), evaluations=150)
    judge = Objective(full.vgg, WEIGHTS, [Region(full.styles.targets(64)[0])], canvas)
    half = stylizer(network("bfloat16"), evaluations=150)
    goal, reached = (judge.loss(each.stylize(content).canvas).item() for each in (full, half))
    assert reached < 1.02 * goal
