"""The optimiser: batched, bounded, and never worse than where it stands."""

from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from render.style.algebra import MAX_TRIALS, Algebra
from render.style.lbfgs import CARRIED, WINDOW, Searches, minimize


def rosenbrock(points):
    x = points.detach().requires_grad_()
    f = (100 * (x[:, 1::2] - x[:, ::2] ** 2) ** 2 + (1 - x[:, ::2]) ** 2).sum(1)
    (gradient,) = torch.autograd.grad(f.sum(), x)
    return f.detach(), gradient


def quadratic(centre, stiffness):
    def closure(points):
        offset = points - centre
        return 0.5 * (stiffness * offset**2).sum(1), stiffness * offset

    return closure


def starts(batch, seed=0, unknowns=20):
    generator = torch.Generator().manual_seed(seed)
    return 2 * torch.rand(batch, unknowns, generator=generator, dtype=torch.float64) - 1


def test_a_restart_begins_at_half_the_length_of_the_one_before():
    """A loss that is flat to rounding: nothing is gained, and no point need be tried twice."""
    lengths = [torch.ones(1)]
    trials, loss = torch.zeros(1), torch.zeros(1)
    stopped = torch.zeros(1, dtype=torch.bool)
    for _ in range(2 * MAX_TRIALS):
        length = lengths[-1].clone()
        Algebra().judge(
            torch.zeros(1), -torch.ones(1), torch.ones(1), loss, trials, length, stopped
        )
        lengths.append(length)
    assert lengths[MAX_TRIALS - 1].item() == 2.0 ** (1 - MAX_TRIALS)
    assert [lengths[n * MAX_TRIALS].item() for n in range(3)] == [1, 0.5, 0.25]


def test_it_finds_the_minimum_of_rosenbrocks_function():
    found = minimize(rosenbrock, starts(3), evaluations=200, bounds=(-5, 5))
    assert found.loss.max() < 1e-12
    torch.testing.assert_close(found.point, torch.ones(3, 20, dtype=torch.float64))


def test_its_path_on_rosenbrocks_function_is_the_known_one():
    found = minimize(rosenbrock, starts(1), evaluations=101, history=10, bounds=(-5, 5))
    golden = torch.tensor([5.1891e00, 8.2083e-05, 2.7164e-12], dtype=torch.float64)
    torch.testing.assert_close(found.trace[[10, 50, 100], 0], golden, rtol=1e-3, atol=0)


def test_a_problem_takes_the_same_path_alone_and_in_a_batch():
    """To the bit, with a history so short that the products of one are summed like those of three."""
    run = partial(minimize, rosenbrock, evaluations=60, history=10, bounds=(-5, 5))
    together = run(starts(3))
    for problem in range(3):
        alone = run(starts(3)[problem : problem + 1])
        assert torch.equal(alone.trace[:, 0], together.trace[:, problem])
        assert torch.equal(alone.point[0], together.point[problem])


def test_the_minimum_on_the_border_of_the_box_is_found():
    centre = torch.linspace(-1, 2, 12, dtype=torch.float64)[None]
    stiffness = torch.linspace(1, 50, 12, dtype=torch.float64)
    start = torch.full((1, 12), 0.5, dtype=torch.float64)
    found = minimize(quadratic(centre, stiffness), start, evaluations=60)
    torch.testing.assert_close(found.point, centre.clamp(0, 1))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), history=st.integers(1, 12))
def test_the_loss_never_rises_and_no_point_leaves_the_box(seed, history):
    seen = []

    def closure(points):
        seen.append(points)
        return rosenbrock(4 * points)

    found = minimize(closure, starts(2, seed), evaluations=25, history=history)
    assert (found.trace.diff(dim=0) <= 0).all()
    assert all((points >= 0).all() and (points <= 1).all() for points in seen)


def test_as_many_evaluations_are_made_as_were_asked_for():
    calls = 0

    def closure(points):
        nonlocal calls
        calls += 1
        return rosenbrock(points)

    assert minimize(closure, starts(2), evaluations=17).evaluations == 17
    assert calls == 17


@pytest.mark.parametrize("what", ["loss", "gradient"])
def test_points_where_the_function_is_not_finite_are_not_accepted(what):
    met = []

    def closure(points):
        """So flat at first that a step goes too far, over a cliff: beyond 0.6 there are no numbers."""
        rise = torch.exp(8 * (points - 0.59))
        loss, gradient = (rise - 8 * points).sum(1), 8 * (rise - 1)
        over = (points > 0.6).any(1)
        met.append(bool(over))
        if what == "loss":
            return loss.masked_fill(over, torch.nan), gradient
        return loss - 100 * over, gradient.masked_fill(over[:, None], torch.inf)

    start = torch.zeros(1, 3, dtype=torch.float64)
    found = minimize(closure, start, evaluations=60)
    assert any(met)
    assert torch.isfinite(found.trace).all()
    torch.testing.assert_close(found.point, torch.full((1, 3), 0.59, dtype=torch.float64))


def test_a_flat_function_is_left_at_its_start():
    def closure(points):
        return points.new_ones(points.shape[0]), torch.zeros_like(points)

    start = torch.full((2, 4), 0.3)
    assert torch.equal(minimize(closure, start, evaluations=30).point, start)


def test_a_problem_that_stands_still_stops_alone():
    centre = torch.tensor([[0.5], [0.5]], dtype=torch.float64).expand(2, 6)

    def closure(points):
        loss, gradient = quadratic(centre, 1.0)(points)
        wild, slope = rosenbrock(4 * points[1:])
        loss = torch.stack((loss[0] + 1, wild[0]))
        return loss, torch.cat((gradient[:1], 4 * slope))

    start = torch.full((2, 6), 0.2, dtype=torch.float64)
    found = minimize(closure, start, evaluations=200, tolerance=1e-3)
    assert WINDOW < found.evaluations < 200
    assert found.trace[-1, 1] < 1e-3
    single = minimize(quadratic(0.5, 1.0), start[:1], evaluations=200, tolerance=1e-3)
    assert single.evaluations < found.evaluations


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_points_keep_their_precision(dtype):
    found = minimize(rosenbrock, starts(1).to(dtype), evaluations=5)
    assert found.point.dtype == dtype


def test_a_search_goes_on_better_with_what_another_has_learnt():
    """Cut in two, with the pairs handed over, it comes further than when it begins anew."""
    run = partial(minimize, rosenbrock, bounds=(-5, 5))
    half = run(starts(3), evaluations=20)
    anew = run(half.point, evaluations=10)
    on = run(half.point, evaluations=10, pairs=half.pairs)
    assert (on.loss < anew.loss).all()


def test_pairs_are_the_newest_and_the_oldest_comes_first():
    stiffness = torch.tensor([1.0, 3.0, 10.0], dtype=torch.float64)
    closure = quadratic(torch.full((1, 3), 0.5, dtype=torch.float64), stiffness)
    seen = []

    def watched(points):
        seen.append(points.clone())
        return closure(points)

    found = minimize(watched, torch.zeros(1, 3, dtype=torch.float64), evaluations=6)
    assert found.pairs.shape == (1, CARRIED, 2, 3)
    torch.testing.assert_close(found.pairs[:, :, 1], stiffness * found.pairs[:, :, 0])
    torch.testing.assert_close(found.pairs[0, -1, 0], seen[-1][0] - seen[-2][0])
    torch.testing.assert_close(found.pairs[0, -2, 0], seen[-2][0] - seen[-3][0])


def test_pairs_that_were_not_found_are_zeros_and_change_nothing():
    once = minimize(rosenbrock, starts(2), evaluations=1, bounds=(-5, 5))
    assert once.pairs.shape == (2, CARRIED, 2, 20)
    assert not once.pairs.any()
    run = partial(minimize, rosenbrock, starts(2), evaluations=12, bounds=(-5, 5))
    torch.testing.assert_close(run(pairs=once.pairs).point, run().point, rtol=1e-9, atol=0)


def test_a_pair_without_positive_curvature_is_not_taken():
    run = partial(minimize, rosenbrock, starts(2), evaluations=12, bounds=(-5, 5))
    wrong = torch.ones(2, 1, 2, 20, dtype=torch.float64)
    wrong[:, :, 1] = -1
    torch.testing.assert_close(run(pairs=wrong).point, run().point, rtol=1e-9, atol=0)


def test_whatever_it_begins_with_the_loss_never_rises():
    pairs = torch.randn(3, 2, 2, 20, generator=torch.Generator().manual_seed(5)).double()
    found = minimize(rosenbrock, starts(3), evaluations=25, bounds=(-5, 5), pairs=pairs)
    assert (found.trace.diff(dim=0) <= 0).all()
    assert (found.loss < 0.1 * found.trace[0]).all()


def test_kept_searches_stay_within_their_room_and_the_longest_unused_goes():
    kept, made = Searches(10), []

    def get(kind, size):
        kept.get(kind, size, lambda: made.append(kind))

    for kind, size in (("a", 4), ("b", 4), ("a", 4), ("c", 5)):
        get(kind, size)
    assert (made, len(kept)) == (["a", "b", "c"], 2)
    get("a", 4)  # was needed later than b
    assert made == ["a", "b", "c"]
    get("whole", 12)  # one is needed, however large
    assert (made[-1], len(kept)) == ("whole", 1)
