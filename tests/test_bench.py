"""The benchmark: both sides compute the same, and its figures follow from each other."""

import io
import json
from dataclasses import replace

import pytest
import torch
from rich.console import Console
from typer.testing import CliRunner

from render.bench import speed
from render.bench.compare import Row
from render.bench.machine import Machine
from render.bench.problem import convolutions, operations, problem
from render.bench.reference import ReferenceRun
from render.bench.show import show
from render.cli import app

CPU = torch.device("cpu")


def call(*arguments):
    return CliRunner().invoke(app, ["bench", *arguments])


@pytest.fixture(scope="module")
def small():
    return problem(convolutions(), 64, CPU, torch.float32)


@pytest.fixture(scope="module")
def measured():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(speed, "_LEAST_SECONDS", 0.3)  # the figures need not be steady
        patch.setattr(
            speed, "BUDGETS", (12,)
        )  # with fewer, a busy machine may find it the slower one
        result = call("--sizes", "64", "--evaluations", "12", "--device", "cpu", "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_the_engine_and_the_reference_have_one_objective(small):
    """Loss and gradient, at a picture that is neither the content nor the style."""
    pixels = (0.8 * small.canvas + 0.1).requires_grad_()
    loss = small.reference().loss(pixels)
    (gradient,) = torch.autograd.grad(loss, pixels)
    own, own_gradient = small.objective(small.stylizer())(pixels.detach().flatten(1))
    torch.testing.assert_close(own[0], loss.detach(), rtol=1e-4, atol=0)
    error = (own_gradient - gradient.flatten(1)).norm() / gradient.norm()
    assert error < 1e-3


def test_the_reference_comes_down_like_a_sound_program(small):
    """No straw man: its line search is whole, and it goes on where it left off."""
    run = ReferenceRun(small.reference().loss, small.canvas)
    made = [run.evaluate(12) for _ in range(3)]
    assert sum(made) == len(run.losses) == len(run.moments)
    assert all(count >= 12 for count in made)
    lowest = [min(run.losses[:end]) for end in (1, 12, 24, 36)]
    assert lowest[1] < 0.6 * lowest[0]
    assert lowest[3] < lowest[2] < lowest[1]
    assert run.moments == sorted(run.moments)


def test_operations_are_counted_by_hand():
    """VGG-19 to relu5_1: per 16×16 block of pixels, multiplications of each convolution and matrix."""
    convolution = 9 * (
        256 * (3 * 64 + 64 * 64)
        + 64 * (64 * 128 + 128 * 128)
        + 16 * (128 * 256 + 3 * 256 * 256)
        + 4 * (256 * 512 + 3 * 512 * 512)
        + 512 * 512
    )
    gram = 256 * 64**2 + 64 * 128**2 + 16 * 256**2 + 4 * 512**2 + 512**2
    assert operations(64) == 4 * 16 * (convolution + gram)


def test_the_machine_is_described(measured):
    machine = measured["machine"]
    assert machine["torch"] == torch.__version__
    assert machine["threads"] == torch.get_num_threads()
    assert all(str(value) for value in machine.values())


def test_figures_follow_from_each_other(measured):
    (row,) = measured["rows"]
    assert (row["size"], row["device"]) == (64, "cpu")
    assert row["precision"] in ("float32", "bfloat16")
    assert row["speedup_per_evaluation"] == pytest.approx(
        row["reference_seconds_per_evaluation"] / row["seconds_per_evaluation"]
    )
    assert row["matrix_share"] == pytest.approx(
        row["operations"] / row["seconds_per_evaluation"] / row["matrix_rate"]
    )
    assert row["memory_ratio"] == pytest.approx(row["memory"] / row["reference_memory"])
    assert row["reference_memory"] > 100 * 2 * 3 * 64 * 64 * 4  # its history alone
    assert row["reference_evaluations_to_loss"] >= 12
    assert row["evaluations_to_loss"] <= 12  # enough for what the reference reaches in 12
    assert row["speedup_to_loss"] == pytest.approx(
        row["reference_seconds_to_loss"] / row["seconds_to_loss"]
    )


def test_the_table_says_for_people_what_json_says_for_programs(measured):
    row = Row(**measured["rows"][0])
    for shown, missing in ((row, False), (replace(row, loss=None), True)):
        console = Console(file=io.StringIO(), width=200)
        show(console, Machine(**measured["machine"]), [shown], None)
        text = console.file.getvalue()
        assert f"torch {torch.__version__}" in text
        assert f"{row.speedup_per_evaluation:.2f}×" in text
        assert f" {100 * row.matrix_share:.0f}% " in text
        assert ("not measured" in text) == missing


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--sizes", "64,many"], "--sizes: 0"),
        (["--sizes", "40"], "--sizes: 40"),
        (["--precision", "float8"], "--precision float8"),
        (["--device", "abacus"], "--device abacus"),
        (["--device", "cuda:1"], "CUDA_VISIBLE_DEVICES=1"),
    ],
)
def test_what_cannot_be_is_refused_by_name(arguments, named):
    result = call(*arguments)
    assert result.exit_code == 2
    assert named in result.stderr
