"""Pictures carried and put together to what a frame is pulled towards."""

import numpy as np
import torch
from conftest import smooth_noise

from render.motion.carry import Carried, carry, led, nearest_first
from render.motion.detail import energy_map
from render.motion.paths import Motion

SHAPE = (40, 60)
RNG = np.random.default_rng(1)


def detail_of(picture):
    return float(energy_map(picture).mean())


def flat(value, mask=1.0):
    mask = np.broadcast_to(np.asarray(mask, np.float32), SHAPE)
    return Carried(np.full((*SHAPE, 3), value, np.float32), np.array(mask))


def left_half(value=1.0):
    mask = np.zeros(SHAPE, np.float32)
    mask[:, :30] = value
    return mask


def grain(seed):
    picture = smooth_noise(SHAPE[1], SHAPE[0], seed=seed).astype(np.float32) / 255
    noise = np.random.default_rng(seed).normal(0, 0.1, picture.shape)
    return np.asarray((picture + noise).clip(0, 1), np.float32)


def test_a_picture_is_carried_with_its_mask():
    picture = grain(1)
    still = Motion(np.zeros((*SHAPE, 2), np.float32), left_half())
    carried = carry(picture, still, None)
    np.testing.assert_allclose(carried.picture, picture, atol=1e-6)
    np.testing.assert_array_equal(carried.mask, left_half())


def test_a_picture_further_back_counts_only_where_no_nearer_one_does():
    both = nearest_first([flat(0.2, left_half()), flat(0.8, 0.5)])
    np.testing.assert_allclose(both.picture[:, :30], 0.2)
    np.testing.assert_allclose(both.picture[:, 30:], 0.8)
    np.testing.assert_allclose(both.mask[:, :30], 1)
    np.testing.assert_allclose(both.mask[:, 30:], 0.5)


def test_one_pull_has_the_gradient_of_all_the_long_term_terms():
    """Ruder et al.: Σ_j Σ c_j (x − w_j)², c_j the mask of frame j less those of nearer frames."""
    masks = [RNG.random(SHAPE).astype(np.float32) for _ in range(3)]
    pictures = [grain(n) for n in range(3)]
    one = nearest_first([Carried(*each) for each in zip(pictures, masks, strict=True)])

    x = torch.from_numpy(grain(9)).requires_grad_()
    covered, terms = np.zeros(SHAPE, np.float32), 0
    for picture, mask in zip(pictures, masks, strict=True):
        share = np.maximum(mask - covered, 0)
        covered = covered + share
        terms = (
            terms
            + (torch.from_numpy(share)[..., None] * (x - torch.from_numpy(picture)) ** 2).sum()
        )
    (wanted,) = torch.autograd.grad(terms, x)
    pull = (torch.from_numpy(one.mask)[..., None] * (x - torch.from_numpy(one.picture)) ** 2).sum()
    (found,) = torch.autograd.grad(pull, x)
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-4)
    assert float(wanted.abs().mean()) > 0.1


def test_a_frame_is_led_a_share_of_the_way_and_all_of_it_where_there_is_no_past():
    past, future = flat(0.2, left_half()), flat(0.8)
    step = led(past, future, 0.25)
    np.testing.assert_allclose(step.picture[:, :30], 0.35, atol=1e-6)
    np.testing.assert_allclose(step.picture[:, 30:], 0.8, atol=1e-6)
    np.testing.assert_array_equal(step.mask, 1)
    nothing_ahead = led(past, flat(0.8, 0), 0.25)
    np.testing.assert_allclose(nothing_ahead.picture, 0.2)


def test_equal_steps_lead_evenly_from_one_picture_to_the_other():
    here, there = flat(0.2), flat(0.7)
    for left in range(4, 0, -1):
        before = here.picture
        here = led(here, there, 1 / (left + 1))
        np.testing.assert_allclose(here.picture - before, 0.1, atol=1e-6)


def test_a_blend_of_two_textures_keeps_their_detail():
    past, future = (Carried(grain(n), np.ones(SHAPE, np.float32)) for n in (1, 2))
    plain = (past.picture + future.picture) / 2
    blend = led(past, future, 0.5).picture
    assert detail_of(plain) < 0.7 * detail_of(past.picture)
    assert abs(detail_of(blend) / detail_of(past.picture) - 1) < 0.15
