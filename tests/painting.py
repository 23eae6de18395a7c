"""Painters for the tests: shallow layers, few evaluations, small frames."""

import numpy as np
import torch
from conftest import smooth_noise

from render.motion.detail import energy_map
from render.painter import Painter
from render.pixels import unit
from render.spec.job import Job

CPU = torch.device("cpu")
SIZE = (64, 48)


def job(**changes):
    data = {
        "input": {"kind": "video", "path": "/a/clip.mp4"},
        "output": {"path": "/a/out.mp4"},
        "style": {"images": [{"path": "/a/style.png"}], "layers": {"relu1_1": 1, "relu2_1": 1}},
        "content": {"layers": {"relu2_2": 1}},
        "model": {"arch": "vgg16", "weights": "procedural", "precision": "float32"},
        "optimize": {"evaluations": 6, "warm_evaluations": 4},
    }
    for part, value in changes.items():
        merged = {**data.get(part, {}), **value} if isinstance(value, dict) else value
        data[part] = merged
    return Job.model_validate(data)


def painter(**changes):
    made = job(**changes)
    styles = [smooth_noise(60, 50, seed=7 + n) for n in range(len(made.style.images))]
    return Painter(made, styles, CPU)


def distance(a, b):
    return np.abs(a.astype(float) - b.astype(float)).mean()


def energy(picture):
    return float(energy_map(unit(picture)).mean(dtype=np.float64))


def moving_frames():
    """Two frames of a picture that moves two pixels to the left."""
    wide = smooth_noise(SIZE[0] + 8, SIZE[1], seed=3)
    return [np.ascontiguousarray(wide[:, 2 * n : 2 * n + SIZE[0]]) for n in range(2)]


def halves(width=SIZE[0], height=SIZE[1]):
    """Masks of the left and the right half."""
    left = np.zeros((height, width), np.uint8)
    left[:, : width // 2] = 255
    return left, 255 - left
