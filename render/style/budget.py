"""How a picture is optimised, and how long."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from render.style.adam import minimize_adam
from render.style.bands import Bands
from render.style.lbfgs import FIRST_STEP, WARM_STEP, Closure, Minimum, Searches, minimize
from render.style.pyramid import scale_sizes, share_evaluations
from render.style.vgg import smallest_side

WARM_RATE = 0.25
"""Share of Adam's learning rate for a picture that starts from something better. With all of it most of
8 or 16 evaluations go by before a loss is below the first: from 2.7 they came to 0.69 and 0.49, with a
quarter to 0.43 and 0.35 (64 px)."""


@dataclass(frozen=True)
class Budget:
    """How a picture is optimised, and how long.

    Attributes:
        evaluations: of loss and gradient, over all scales, for a picture that follows no other.
        warm_evaluations: for a picture that starts from something better, at full size alone.
        history: curvature pairs of L-BFGS.
        tolerance: see `minimize`.
        warm_tolerance: likewise, for a picture that starts from something better.
        optimizer: `lbfgs` or `adam`.
        learning_rate: of Adam; see `WARM_RATE` too.
        scales: how many at most; `None`: as many as the size asks for.
        shares: the evaluations of each scale relative to the others'; `None`: falling.
        factor: size of a scale over that of the one before.
    """

    evaluations: int
    warm_evaluations: int
    history: int = 20
    tolerance: float = 0.0
    optimizer: Literal["lbfgs", "adam"] = "lbfgs"
    learning_rate: float = 0.02
    scales: int | None = None
    shares: tuple[int, ...] | None = None
    factor: float = 2.0
    warm_tolerance: float = 0.0

    def steps(
        self, layers: Collection[str], width: int, height: int, evaluations: int
    ) -> list[tuple[tuple[int, int], int]]:
        """Size (width, height) and evaluations of each scale of a picture that follows no other."""
        count = self.scales if self.shares is None else len(self.shares)
        sizes = scale_sizes(width, height, smallest_side(layers) * 3 // 2, self.factor, count)
        shares = share_evaluations(evaluations, len(sizes), self.factor, self.shares)
        return list(zip(sizes, shares, strict=True))

    def minimize(
        self,
        closure: Closure,
        start: Tensor,
        evaluations: int,
        pairs: Tensor | None = None,
        *,
        warm: bool,
        bands: Bands | None = None,
        kept: Searches | None = None,
    ) -> Minimum:
        """Run the optimiser; see `lbfgs.minimize`.

        Args:
            closure: losses and gradients.
            start: B×N.
            evaluations: to spend.
            pairs: curvature to begin with, which Adam has no use for.
            warm: whether the start is something better than a content or noise.
            bands: of the pictures.
            kept: searches of earlier pictures.
        """
        tolerance = self.warm_tolerance if warm else self.tolerance
        if self.optimizer == "adam":
            return minimize_adam(
                closure,
                start,
                evaluations=evaluations,
                learning_rate=self.learning_rate * (WARM_RATE if warm else 1),
                tolerance=tolerance,
            )
        return minimize(
            closure,
            start,
            evaluations=evaluations,
            history=self.history,
            tolerance=tolerance,
            first_step=WARM_STEP if warm else FIRST_STEP,
            pairs=pairs,
            bands=bands,
            kept=kept,
        )
