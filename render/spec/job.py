"""The job: everything that decides what is rendered, as one immutable model."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, PositiveInt, ValidationInfo, model_validator
from pydantic_core import PydanticCustomError, PydanticKnownError

from render.spec.base import AnyJobPath, JobPath, Model, placed_text
from render.spec.farm import Farm
from render.spec.layers import Arch, check_layers
from render.spec.media import Input, Output
from render.spec.style import Colour, Content, Style, Weight

NEURAL_STYLE: dict[str, dict[str, object]] = {
    "content": {"weight": 5.0},
    "style": {"weight": 100.0, "layers": {f"relu{block}_1": 1.0 for block in range(1, 6)}},
    "optimize": {"tv_weight": 1e-3},
    "temporal": {"weight": 1000.0},
}
"""Defaults of jcjohnson's neural-style where they differ from ours, and of Ruder's temporal term."""


PROCEDURAL: dict[str, dict[str, object]] = {
    "content": {"layers": {"relu1_2": 1.0, "relu4_2": 3.0}},
}
"""Defaults with procedural weights where they differ: random deep features hold no eyes and no beaks."""

PRESETS: dict[str, dict[str, dict[str, object]]] = {
    "preview": {"output": {"size": 256}, "optimize": {"evaluations": 80, "warm_evaluations": 20}},
    "standard": {},
    "fine": {
        "optimize": {"evaluations": 600, "warm_evaluations": 160, "scale_factor": 1.4142},
    },
}
"""Defaults of each preset where they differ from ours."""


class Files(Model):
    """Paths as the values of a study."""

    files: JobPath
    """Pattern of the files, such as `styles/*.jpg`; each is one value."""


def _whole(value: object) -> object:
    """Refuse `true` and `1.0`, which Python takes for 1."""
    if type(value) is not int:
        raise PydanticKnownError("literal_error", {"expected": "1"})
    return value


class ModelSpec(Model):
    """The network whose features are matched."""

    arch: Arch = "vgg19"
    """Architecture."""
    weights: Literal["imagenet", "procedural"] | JobPath = "imagenet"
    """`imagenet` (torchvision's, downloaded once), `procedural` (made on the spot, nothing to
    download; paints well but recognises less), or the path of a state dict (.pth, .safetensors)."""
    encoding: Literal["auto", "rgb", "caffe"] = "auto"
    """Pixels that the weights expect: torchvision's normalised RGB, or Caffe's BGR 0 to 255 less
    its mean. `auto` recognises the well-known Caffe files and takes others for RGB."""
    pooling: Literal["auto", "max", "average", "l2"] = "auto"
    """Pooling between blocks; `l2` is the root of the mean square; `auto` is `average` for procedural
    weights, else `max`."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Precision of the convolutions; `auto` is bfloat16 where the hardware multiplies it faster, else
    float32. Statistics and optimiser are always float32."""


class Optimize(Model):
    """How the pixels are optimised."""

    optimizer: Literal["lbfgs", "adam"] = "lbfgs"
    """L-BFGS with a backtracking line search, or Adam with steps of `learning_rate`."""
    start: Literal["content", "noise", "style"] | AnyJobPath = "content"
    """What a frame that follows no other is started from: its own `content`, `noise` (from `seed` and
    the frame's index), noise in the colours of the `style`, or the path of a picture. Noise takes
    several times the evaluations, and weights that recognise forms."""
    evaluations: PositiveInt = 300
    """Evaluations of loss and gradient for a frame that follows no other, shared out over the scales."""
    warm_evaluations: PositiveInt = 80
    """Evaluations for a frame that starts from the previous one; with 40 or more, every twentieth of a
    long shot takes as many again, 100 at least, to see how much detail its content has."""
    scales: (
        Literal["auto"]
        | Annotated[int, Field(ge=1, le=16)]
        | Annotated[tuple[PositiveInt, ...], Field(min_length=1, max_length=16)]
    ) = "auto"
    """Scales painted one after the other, coarse to fine: how many, or the share of the evaluations
    that each gets, coarsest first: `[200, 100]`. `auto`: as many as the size asks for. A picture that
    is too small for that many goes without the coarsest."""
    scale_factor: Annotated[float, Field(ge=1.1, le=4)] = 2.0
    """Size of each scale over that of the one before: 2, or for softer steps 1.4142."""
    history: Annotated[int, Field(ge=1, le=200)] = 20
    """Curvature pairs that L-BFGS keeps."""
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 0.02
    """Largest step of Adam in one evaluation, pixels being 0 to 1; a quarter of it in
    frames that start from another."""
    tv_weight: Weight = 0.4
    """Weight of the total variation loss: more is smoother, less has more grain."""
    tolerance: Weight = 0.0
    """Stop a frame early when its loss fell by less than this share over 5 evaluations; 0: never,
    which `render plan` counts on."""
    warm_tolerance: Weight = 0.0
    """The same for frames that start from the previous one, in each of their stages."""


class Temporal(Model):
    """How the frames of a video hang together."""

    warm_start: Literal["warped", "previous", "none"] = "warped"
    """What a frame starts from: the previous result warped along the optical flow, the previous
    result as it is, or its own content."""
    flow: Literal["dis", "raft", "none"] = "dis"
    """Optical flow: OpenCV's DIS; RAFT, better and much slower, where its weights are on the machine;
    or none (then `warped` means `previous`)."""
    flow_weights: JobPath | None = None
    """State dict of torchvision's `raft_large`; empty: the one in torchvision's cache."""
    weight: Weight = 20.0
    """Weight of the pull towards the warped previous result, where the flow can be trusted; without a
    warp there is none."""
    long_term: Annotated[int, Field(ge=1, le=16)] = 1
    """How many frames back the pull reaches: 1, the previous one alone; 4, those 1, 2 and 4 frames back,
    each where no nearer one shows the same place. What is covered for a moment then comes back as it
    was; each further frame is one more flow to measure."""
    parallel: Literal["waves", "chain", "anchors"] = "waves"
    """How the frames of a shot share workers. `waves`: each frame is painted in `stages`, and a stage
    waits only for the one below it and for the same stage of the frame before, so that as many
    workers as stages paint one shot. `chain`: each frame waits for the one before it. `anchors`: a
    long shot is cut into segments, their first frames are painted as a chain of their own, and the
    segments side by side, for as many workers as segments; needs `warm_start: warped` and a flow."""
    stages: Annotated[int, Field(ge=1, le=16)] = 5
    """Stages of a frame in `waves`, each with at least 8 of the `warm_evaluations`; fewer where those
    do not suffice."""
    segment: Annotated[int, Field(ge=2)] | None = None
    """Longest run of frames that one worker renders in order. With `anchors`: most frames of a
    segment, empty for 32; anchors are the calmest frames near their places. Else longer shots are cut
    into runs that start afresh, which shows as a jump; empty: a shot is never cut."""
    bridge: Annotated[int, Field(ge=1)] = 16
    """With `anchors`: so many frames at the end of each segment are led to the next anchor, step by
    step. Fewer than 16 show as a jump."""


class Job(Model):
    """One job file, checked and complete."""

    version: Annotated[Literal[1], BeforeValidator(_whole)] = 1
    """Version of the job file's format."""
    extends: Annotated[str | None, Field(exclude=True)] = None
    """Another job file, whose settings hold where this one has none. Sections are merged; lists,
    `layers` and a section of another `kind` replace."""
    preset: Literal["preview", "standard", "fine"] = "standard"
    """Defaults of effort and size: `preview` is small and quick, `fine` takes twice as long."""
    input: Input
    """What is rendered."""
    output: Output
    """Where the result goes and in what form."""
    style: Style
    """What it should look like."""
    content: Content = Content()
    """What it should still show."""
    colour: Colour = Colour()
    """Whose colours it has."""
    objective: Literal["normalized", "neural-style"] = "normalized"
    """`normalized`: every loss is divided by what it is worth at the content, so that weights mean the
    same at every size. `neural-style`: exactly the objective of jcjohnson's program, for settings from
    there, which are made for Caffe weights; without margin or moved colours, and without its
    `-normalize_gradients`, whose steps follow no loss. Then `content.weight` is 5, `style.weight` 100,
    every style layer 1, `optimize.tv_weight` 0.001 and `temporal.weight` 1000 (Ruder's) unless the job
    says otherwise."""
    model: ModelSpec = ModelSpec()
    """The network."""
    optimize: Optimize = Optimize()
    """The optimiser."""
    temporal: Temporal = Temporal()
    """Coherence between frames of a video."""
    farm: Farm = Farm()
    """The workers."""
    engine: Literal["vgg", "passthrough"] = "vgg"
    """`passthrough` sends every frame through the whole farm and repaints nothing."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Seed of everything random."""
    study: dict[str, Files | Annotated[tuple[Any, ...], Field(min_length=1)]] = Field(default={})
    """A grid over settings: dotted keys, each with a list of values or `files: pattern`. Every cell is
    rendered, and all of them are shown on one labelled contact sheet."""

    @model_validator(mode="before")
    @classmethod
    def _study_remembers_its_folder(cls, data: object, info: ValidationInfo) -> object:
        """Values of a study are read when its cells are made: their paths are resolved here."""
        if (
            not isinstance(data, dict)
            or not isinstance(data.get("study"), dict)
            or not info.context
        ):
            return data
        folder = info.context["folder"]
        study = {
            key: tuple(value) if isinstance(value, list) else value
            for key, value in data["study"].items()
        }
        return {**data, "study": placed_text(study, folder)}

    @model_validator(mode="before")
    @classmethod
    def _defaults_of_preset(cls, data: object) -> object:
        if not isinstance(data, dict) or not isinstance(data.get("preset"), str):
            return data
        return _filled(data, PRESETS.get(data["preset"], {}))

    @model_validator(mode="before")
    @classmethod
    def _defaults_of_procedural(cls, data: object) -> object:
        if not isinstance(data, dict) or data.get("objective", "normalized") != "normalized":
            return data
        model = data.get("model")
        if not isinstance(model, dict) or model.get("weights") != "procedural":
            return data
        return _filled(data, PROCEDURAL)

    @model_validator(mode="before")
    @classmethod
    def _defaults_of_neural_style(cls, data: object) -> object:
        if not isinstance(data, dict) or data.get("objective") != "neural-style":
            return data
        return _filled(data, NEURAL_STYLE)

    @model_validator(mode="after")
    def _extends_in_files(self) -> Self:
        if self.extends is not None:
            raise PydanticCustomError(
                "extends",
                "not on the command line",
                {"loc": ("extends",), "allowed": "`extends: FILE` as the first line of a job file"},
            )
        return self

    @model_validator(mode="after")
    def _layers_exist(self) -> Self:
        check_layers(self.model.arch, {"style": self.style.layers, "content": self.content.layers})
        return self

    @model_validator(mode="after")
    def _anchors_follow_motion(self) -> Self:
        """Segments are held together by motion alone."""
        temporal = self.temporal
        needed = {"warm_start": temporal.warm_start != "warped", "flow": temporal.flow == "none"}
        for key, wrong in needed.items():
            if temporal.parallel == "anchors" and wrong:
                raise PydanticCustomError(
                    "anchors",
                    "not with temporal.parallel: anchors, which carries pictures along the motion",
                    {"loc": ("temporal", key), "allowed": "its default, or parallel: waves"},
                )
        return self

    @model_validator(mode="after")
    def _objective_exists(self) -> Self:
        """Refuse weights of nothing, and what jcjohnson's objective has no place for."""
        other = {
            ("style", "regions"): bool(self.style.regions),
            ("style", "loss"): self.style.loss != "gram",
            ("content", "colours"): self.content.colours == "style",
        }
        style, content, tv = self.style.weight, self.content.weight, self.optimize.tv_weight
        if not any((style, content, tv)):
            raise PydanticCustomError(
                "weights",
                "all weights are 0",
                {
                    "loc": ("style", "weight"),
                    "allowed": "a number > 0 for it or content.weight or optimize.tv_weight",
                },
            )
        for loc, wrong in other.items():
            if self.objective == "neural-style" and wrong:
                raise PydanticCustomError(
                    "objective",
                    "not with objective: neural-style",
                    {"loc": loc, "allowed": "no such key, or objective: normalized"},
                )
        return self


def _filled(data: dict[str, Any], defaults: dict[str, dict[str, object]]) -> dict[str, Any]:
    """The data with defaults where it says nothing."""
    filled = dict(data)
    for part, values in defaults.items():
        given = data.get(part, {})
        if isinstance(given, dict):
            filled[part] = {**values, **given}
    return filled
