"""The engine's face: a content picture in, a painted picture out; tensors only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from render.errors import EngineError
from render.style.bands import bands_of
from render.style.budget import Budget
from render.style.checks import check_finite, check_mask, check_shape, check_weights
from render.style.colour import Palette, blend_palettes, filled, palette, repainted
from render.style.guides import feather, without_overlap
from render.style.keeping import Keeping
from render.style.lbfgs import Searches
from render.style.objective import Objective, Pull, Region, Weights
from render.style.pyramid import resize
from render.style.replay import release
from render.style.starts import Start, seeded_noise, style_noise
from render.style.targets import Recolour, Styles
from render.style.vgg import Vgg, smallest_side

MARGIN = 2
"""Pixels painted beyond every edge and cut off again. A pixel at the edge of a network's input is
seen by padded filters: with fewer, a line as wide is seen around the picture. With more, what the
picture lacks in style is painted outside of it: over the middle of a 256 px picture the distance of
Gram matrices was 0.39 of the content's own, and 0.59 with 8."""

_KEPT = 8
"""A GPU's memory over what may be held there to be faster with the next picture."""


@dataclass(frozen=True)
class Stylized:
    """A painted batch.

    Attributes:
        pixels: B×3×H×W, float32, 0 to 1.
        terms: the weighted parts of the loss at the end (B each), by name.
        trace: the loss after each evaluation, scale after scale (E×B).
        canvas: B×3×H'×W', what the last scale's objective was evaluated at: the picture with its margin.
        pairs: of L-BFGS, what the last scale's search learnt of the canvas' curvature; see `Minimum`.
    """

    pixels: Tensor
    terms: dict[str, Tensor]
    trace: Tensor
    canvas: Tensor
    pairs: Tensor | None

    @property
    def evaluations(self) -> int:
        """Evaluations made, over all scales."""
        return self.trace.shape[0]


class Stylizer:
    """Paints pictures in the styles that it holds.

    Args:
        vgg: the network, which has all layers of `weights`.
        weights: of the terms of the objective.
        styles: the style pictures, bound to regions if there are any.
        budget: how to optimise, and how long.
        repaint: move the content to the styles' palette before anything else. A network that tells
            forms from colours does this by itself; one that does not fights over every colour that
            the styles lack, and ends with neither form nor colour. Not in the form `neural-style`.
        start: what pictures that follow no other are started from.
        keeping: which of the content's colours are kept.
        feather: width over which the edges of regions are softened, over the picture's long side.

    Raises:
        EngineError: all weights are 0, the network lacks a layer, or not all numbers of the start are
            finite.
    """

    def __init__(
        self,
        vgg: Vgg,
        weights: Weights,
        styles: Styles,
        budget: Budget,
        *,
        repaint: bool = False,
        start: Start = "content",
        keeping: Keeping = Keeping(),  # noqa: B008 frozen
        feather: float = 0.01,
    ) -> None:
        check_weights(weights, vgg.layers)
        if isinstance(start, Tensor):
            check_finite("optimize.start", start)
        exact = weights.form == "neural-style"
        self.vgg = vgg
        self.weights = weights
        self.styles = styles
        self.budget = budget
        self._repaint = repaint and not exact
        self._margin = 0 if exact else MARGIN
        self._start = start
        self._keeping = keeping
        self._feather = feather
        self._palettes = styles.palettes()
        self._searches = (
            Searches(torch.cuda.get_device_properties(vgg.device).total_memory // _KEPT)
            if vgg.device.type == "cuda"
            else None
        )

    def forget(self) -> None:
        """Give up the memory that is held to be faster with the next picture."""
        if self._searches is not None:
            self._searches.clear()
            release()

    def stylize(
        self,
        content: Tensor,
        start: Tensor | None = None,
        pull: Pull | None = None,
        *,
        areas: Sequence[Tensor] = (),
        opaque: Tensor | None = None,
        seeds: Sequence[int] = (),
        evaluations: int | None = None,
        pairs: Tensor | None = None,
    ) -> Stylized:
        """Paint a batch of pictures of one size.

        Args:
            content: B×3×H×W, 0 to 1.
            start: where to start from, of the same shape, at full size and with the small budget;
                `None`: from what this stylizer starts from, coarse to fine.
            pull: what the temporal loss pulls towards.
            areas: B×1×H×W, 0 to 1, for each region of `styles`.
            opaque: B×1×H×W; where it is 0, the content stays and does not count.
            seeds: of random starts, one for each sample.
            evaluations: to spend, instead of the budget's.
            pairs: with a `start`, what the search that ended there learnt, as `Stylized` gives it.

        Raises:
            EngineError: the picture is too small for the layers, not all numbers of content, start or
                masks are finite, or masks are missing or something is of another shape.
        """
        content = content.to(self.vgg.device, torch.float32)
        self._check(content, start, pull, areas, opaque)
        height, width = content.shape[-2:]
        opaque = None if opaque is None else opaque.to(content)
        regions = self._areas(areas, content)
        source = self._keeping.before(content)
        recolour = self._recolour(source, regions, opaque)
        palettes = self._palettes if recolour is None else self.styles.palettes(recolour)
        mixture = blend_palettes(palettes, [1 / len(palettes)] * len(palettes))
        if self._repaint:
            source = repainted(source, palettes, regions, opaque)
        if opaque is not None:
            source = filled(source, opaque)
        if start is None:
            spent = evaluations or self.budget.evaluations
            steps = self.budget.steps(self.weights.layers(), width, height, spent)
            sizes, budgets = [size for size, _ in steps], [share for _, share in steps]
            current = self._first(source, sizes[0], mixture, seeds)
        else:
            sizes, budgets = [(width, height)], [evaluations or self.budget.warm_evaluations]
            current = self._keeping.start(start.to(content), mixture)
            if pull is not None:
                target = self._keeping.start(pull.target.to(content), mixture)
                pull = replace(pull, target=target)
        traces = []
        for (w, h), share in zip(sizes, budgets, strict=True):
            last = (w, h) == (width, height)
            clear = None if opaque is None else resize(opaque, w, h)
            small = resize(source, w, h)
            current = resize(current, w, h)
            if clear is not None:
                current = torch.where(clear > 0, current, small)
            targets = self.styles.targets(max(w, h), recolour, coarse=not last)
            objective = Objective(
                self.vgg,
                self.weights,
                [
                    Region(target, area, binding.weight)
                    for target, area, binding in zip(
                        targets, self._scaled(regions, w, h), self.styles.bindings, strict=True
                    )
                ],
                self._with_margin(small),
                self._pull_with_margin(pull) if pull is not None and last else None,
                None if clear is None else self._with_margin(clear),
            )
            first = self._with_margin(current).flatten(1)
            bands = bands_of(*objective.shape[-2:], first.device)
            found = self.budget.minimize(
                objective,
                first,
                share,
                pairs,
                warm=start is not None,
                bands=bands,
                kept=self._searches if recolour is None else None,
            )
            canvas = found.point.view(objective.shape)
            margin = self._margin
            current = canvas[:, :, margin : margin + h, margin : margin + w]
            traces.append(found.trace)
        with torch.no_grad():
            terms = objective.terms(canvas)
        result = self._keeping.after(current, content, opaque)
        if opaque is not None:
            result = torch.where(opaque > 0, result, content)
        return Stylized(result, terms, torch.cat(traces), canvas, found.pairs)

    def _check(
        self,
        content: Tensor,
        start: Tensor | None,
        pull: Pull | None,
        areas: Sequence[Tensor],
        opaque: Tensor | None,
    ) -> None:
        check_finite("content", content)
        if start is not None:
            check_shape("start", start, content.shape)
            check_finite("start", start)
        if pull is not None:
            check_shape("pull", pull.target, content.shape)
            check_shape("pull's mask", pull.mask, content[:, :1].shape)
        height, width = content.shape[-2:]
        # Mirrored beyond its edges a picture is that much larger, and no mirror reaches further than it.
        side = max(smallest_side(self.weights.layers()) - 2 * self._margin, self._margin + 1)
        if min(height, width) < side:
            raise EngineError(
                f"a picture of {width}×{height} is too small for style.layers and content.layers, "
                f"which need {side} pixels a side; drop the deep ones, or raise output.size if the "
                "source is larger"
            )
        if len(areas) != self.styles.regions:
            raise EngineError(
                f"style.regions: {len(areas)} masks for {self.styles.regions} regions"
            )
        for number, area in enumerate(areas):
            check_mask(f"style.regions.{number}.content", area, content)
        if opaque is not None:
            check_mask("the picture's alpha", opaque, content)

    def _areas(self, areas: Sequence[Tensor], content: Tensor) -> list[Tensor]:
        width = self._feather * max(content.shape[-2:])
        soft = [feather(area.to(content).clamp(0, 1), width) for area in areas]
        return without_overlap(soft) if soft else []

    def _scaled(self, regions: Sequence[Tensor], w: int, h: int) -> list[Tensor | None]:
        return [self._with_margin(resize(area, w, h)) for area in regions] or [None]

    def _recolour(
        self, source: Tensor, regions: Sequence[Tensor], opaque: Tensor | None
    ) -> Recolour | None:
        if not self._keeping.recolours_styles:
            return None
        whole = torch.ones_like(source[:, :1]) if opaque is None else opaque
        own = [palette(source, whole * area) for area in regions] or [palette(source, opaque)]
        return lambda number, pixels, area: self._keeping.style(pixels, own[number], area)

    def _first(
        self, source: Tensor, size: tuple[int, int], styles: Palette, seeds: Sequence[int]
    ) -> Tensor:
        """The start of a picture that follows no other; noise is as fine as the coarsest scale."""
        if self._start == "content":
            return source
        if isinstance(self._start, Tensor):
            height, width = source.shape[-2:]
            given = resize(self._start.to(source), width, height)
            return self._keeping.start(given, styles).expand_as(source)
        seeds = seeds or [0] * source.shape[0]
        if self._start == "noise":
            return seeded_noise(*size, seeds).to(source)
        return style_noise(*size, seeds, styles).to(source)

    def _with_margin(self, pixels: Tensor) -> Tensor:
        """The picture, mirrored beyond its edges; never the very tensor that was given."""
        if self._margin == 0:
            return pixels.clone()  # a search that is kept takes its next picture into it
        return functional.pad(pixels, (self._margin,) * 4, "reflect")

    def _pull_with_margin(self, pull: Pull) -> Pull:
        """Nothing pulls in the margin, and nothing there is held."""

        def padded(mask: Tensor) -> Tensor:
            return functional.pad(mask, (self._margin,) * 4) if self._margin else mask.clone()

        still = None if pull.still is None else padded(pull.still)
        return Pull(self._with_margin(pull.target), padded(pull.mask), still)
