"""Adam: batched, bounded, with the best point as its result."""

import pytest
import torch

from render.style.adam import minimize_adam


def valley(points):
    """A long valley with its floor at 0.7, and its gradient."""
    stiffness = torch.linspace(1, 50, points.shape[1], dtype=points.dtype)
    offset = points - 0.7
    return 0.5 * (stiffness * offset**2).sum(1), stiffness * offset


def starts(batch, unknowns=12):
    generator = torch.Generator().manual_seed(0)
    return torch.rand(batch, unknowns, generator=generator, dtype=torch.float64)


def test_its_path_is_that_of_torchs_own_adam():
    found = minimize_adam(valley, starts(1), evaluations=30, learning_rate=0.01, bounds=(-9, 9))
    x = starts(1).requires_grad_()
    optimizer = torch.optim.Adam([x], lr=0.01, betas=(0.9, 0.99), eps=0)
    losses = []
    for _ in range(30):
        loss, x.grad = valley(x.detach())
        losses.append(loss)
        optimizer.step()
    torch.testing.assert_close(found.trace, torch.stack(losses).cummin(0).values)


def test_it_finds_the_floor_of_a_valley_and_the_border_of_the_box():
    found = minimize_adam(valley, starts(2), evaluations=400)
    torch.testing.assert_close(found.point, torch.full_like(found.point, 0.7), atol=1e-2, rtol=0)
    boxed = minimize_adam(valley, starts(2), evaluations=200, bounds=(0, 0.5))
    torch.testing.assert_close(boxed.point, torch.full_like(boxed.point, 0.5))


def test_a_problem_takes_the_same_path_alone_and_in_a_batch():
    together = minimize_adam(valley, starts(3), evaluations=40)
    for problem in range(3):
        alone = minimize_adam(valley, starts(3)[problem : problem + 1], evaluations=40)
        assert torch.equal(alone.trace[:, 0], together.trace[:, problem])
        assert torch.equal(alone.point[0], together.point[problem])


def test_the_result_is_the_best_point_and_as_many_evaluations_are_made_as_asked_for():
    seen = []

    def closure(points):
        loss, gradient = valley(points)
        seen.append((loss, points))
        return loss, gradient

    found = minimize_adam(closure, starts(1), evaluations=25, learning_rate=0.3)
    assert len(seen) == found.evaluations == 25
    best = min(seen, key=lambda each: each[0].item())
    assert torch.equal(found.loss, best[0])
    assert torch.equal(found.point, best[1])


def test_points_where_the_function_is_not_finite_are_left_again():
    def cliff(points):
        loss, gradient = valley(points)
        return loss.masked_fill((points > 0.65).any(1), torch.nan), gradient

    found = minimize_adam(cliff, torch.zeros(1, 4, dtype=torch.float64), evaluations=120)
    assert torch.isfinite(found.trace).all()
    assert found.point.min() > 0.5


def test_a_flat_function_is_left_at_its_start():
    def flat(points):
        return points.new_ones(points.shape[0]), torch.zeros_like(points)

    start = torch.full((2, 4), 0.3)
    assert torch.equal(minimize_adam(flat, start, evaluations=30).point, start)


def test_a_problem_that_stands_still_stops():
    found = minimize_adam(valley, starts(2), evaluations=2000, tolerance=1e-4)
    assert found.evaluations < 1000


@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12])
def test_the_path_does_not_depend_on_the_scale_of_the_loss(scale):
    def scaled(points):
        loss, gradient = valley(points)
        return scale * loss, scale * gradient

    plain = minimize_adam(valley, starts(1), evaluations=20).point
    torch.testing.assert_close(minimize_adam(scaled, starts(1), evaluations=20).point, plain)
