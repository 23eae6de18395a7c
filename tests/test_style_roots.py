"""Square roots of matrices."""

import pytest
import torch

from render.style.roots import by_eigenvalues, by_newton_schulz, square_root, trace_of_root


def positive(channels, smallest, largest, seed=0, batch=2):
    """B×C×C with eigenvalues spread evenly over the orders of magnitude."""
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(batch, channels, channels, generator=generator, dtype=torch.float64)
    vectors = torch.linalg.qr(mixing).Q
    values = torch.logspace(smallest, largest, channels, dtype=torch.float64)
    return vectors @ torch.diag(values) @ vectors.mT, values


def test_the_root_times_itself_is_the_matrix():
    matrix, _ = positive(12, -4, 2)
    found = square_root(matrix)
    torch.testing.assert_close(found @ found, matrix)
    torch.testing.assert_close(found, found.mT)


@pytest.mark.parametrize("roots", [by_eigenvalues, by_newton_schulz])
@pytest.mark.parametrize("smallest", [0, -4, -8])
def test_both_ways_find_the_trace_and_the_inverse_root(roots, smallest):
    matrix, values = positive(16, smallest, 2)
    trace, inverse = roots(matrix)
    torch.testing.assert_close(trace, values.sqrt().sum().expand(2), rtol=1e-6, atol=0)
    eye = torch.eye(16, dtype=torch.float64).expand(2, -1, -1)
    torch.testing.assert_close(inverse @ matrix @ inverse, eye, rtol=0, atol=1e-3)


def test_the_gradient_of_the_trace_agrees_with_finite_differences():
    matrix, _ = positive(5, -2, 1)
    matrix.requires_grad_()

    def trace(of):
        return trace_of_root((of + of.mT) / 2)

    assert torch.autograd.gradcheck(trace, matrix)


def test_equal_eigenvalues_do_no_harm():
    matrix = (4 * torch.eye(6, dtype=torch.float64))[None].requires_grad_()
    trace = trace_of_root(matrix)
    trace.sum().backward()
    assert trace.item() == pytest.approx(12)
    torch.testing.assert_close(matrix.grad[0], 0.25 * torch.eye(6, dtype=torch.float64))
