"""The job: immutable, strict, and with defaults that work."""

import pickle
from pathlib import Path

import pytest
from pydantic import ValidationError

from render.spec.base import CommandLineText
from render.spec.job import Job
from render.spec.layers import BLOCKS, layer_names
from render.spec.load import load_job

JOBS = Path(__file__).parent.parent / "jobs"

LEAST = {
    "input": {"kind": "video", "path": "/a/clip.mp4"},
    "output": {"path": "/a/out.mp4"},
    "style": {"images": [{"path": "/a/style.jpg"}]},
}


def job(**changes):
    return Job.model_validate({**LEAST, **changes})


def test_only_input_output_and_style_pictures_are_needed():
    assert job().style.images[0].weight == 1.0
    assert {name for name, field in Job.model_fields.items() if field.is_required()} == {
        "input",
        "output",
        "style",
    }


def test_defaults_are_those_of_the_design():
    made = job()
    assert made.version == 1
    assert made.input.frames is None
    assert (made.output.codec, made.output.audio) == ("h264", "copy")
    assert made.style.layers == dict.fromkeys([f"relu{n}_1" for n in range(1, 6)], 0.2)
    assert (made.content.layers, made.content.weight) == ({"relu4_2": 1.0}, 1.0)
    assert (made.model.arch, made.model.weights, made.model.precision) == (
        "vgg19",
        "imagenet",
        "auto",
    )
    assert made.optimize.optimizer == "lbfgs"
    assert (made.optimize.evaluations, made.optimize.warm_evaluations) == (300, 80)
    assert made.optimize.history == 20
    assert (made.temporal.warm_start, made.temporal.flow) == ("warped", "dis")
    assert made.temporal.weight == 20
    assert (made.farm.workers, made.farm.cpus_per_worker, made.farm.retries) == ("auto", 1, 2)
    assert made.engine == "vgg"


def test_a_job_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        job().seed = 1


@pytest.mark.parametrize("part", ["input", "output", "style", "model", "farm"])
def test_unknown_keys_are_refused_in_every_part(part):
    with pytest.raises(ValidationError, match="Extra inputs"):
        job(**{part: {**LEAST.get(part, {}), "colour": 1}})
    with pytest.raises(ValidationError, match="Extra inputs"):
        job(flavour=1)


@pytest.mark.parametrize(
    ("part", "key", "value"),
    [
        ("optimize", "evaluations", "300"),
        ("optimize", "evaluations", True),
        ("optimize", "evaluations", 10.0),
        ("optimize", "tv_weight", "0.1"),
        ("optimize", "tv_weight", float("inf")),
        ("model", "arch", "VGG19"),
        ("farm", "address", 5),
    ],
)
def test_a_value_of_another_type_is_refused_not_converted(part, key, value):
    with pytest.raises(ValidationError):
        job(**{part: {key: value}})


def test_a_whole_number_will_do_for_a_number():
    assert job(temporal={"weight": 5}).temporal.weight == 5.0


def test_the_kind_decides_which_keys_an_input_has():
    pictures = job(input={"kind": "images", "path": "/a", "pattern": "*.png"})
    assert pictures.input.pattern == "*.png"
    with pytest.raises(ValidationError, match="frames"):
        job(input={"kind": "images", "path": "/a", "frames": "5"})


def test_relative_paths_without_a_job_file_are_in_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert job(output={"path": "out.mp4"}).output.path == tmp_path / "out.mp4"
    assert job(output={"path": Path("out.mp4")}).output.path == tmp_path / "out.mp4"


def test_relative_paths_are_in_the_given_folder_but_for_text_from_the_command_line(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    made = Job.model_validate(
        {
            **LEAST,
            "output": {"path": "out.mp4"},
            "model": {"weights": CommandLineText("my.pth")},
        },
        context={"folder": Path("/jobs")},
    )
    assert made.output.path == Path("/jobs/out.mp4")
    assert made.model.weights == tmp_path / "my.pth"


@pytest.mark.parametrize("weights", ["imagenet", "procedural", CommandLineText("imagenet")])
def test_named_weights_are_not_taken_for_paths(weights):
    assert job(model={"weights": weights}).model.weights == str(weights)


def test_layers_are_those_of_the_architecture():
    assert len(layer_names("vgg16")) == 2 * sum(BLOCKS["vgg16"]) == 26
    assert layer_names("vgg19")[:4] == ("conv1_1", "relu1_1", "conv1_2", "relu1_2")
    assert job(content={"layers": {"relu3_4": 1.0}})
    with pytest.raises(ValidationError, match="not in this architecture"):
        job(content={"layers": {"relu3_4": 1.0}}, model={"arch": "vgg16"})


@pytest.mark.parametrize("layers", [{}, {"relu1_1": 0}, {"relu1_1": -1}, {"block1_conv1": 1}])
def test_layer_weights_name_layers_and_one_at_least_counts(layers):
    with pytest.raises(ValidationError):
        job(style={**LEAST["style"], "layers": layers})


def test_a_job_travels_between_processes():
    made = job(farm={"address": CommandLineText("auto")})
    assert pickle.loads(pickle.dumps(made)) == made


@pytest.mark.parametrize("path", sorted(JOBS.glob("*.yaml")), ids=lambda path: path.name)
def test_every_job_that_comes_along_loads_and_finds_its_material(path):
    made = load_job(path)
    assert made.input.path.exists()
    assert all(image.path.is_file() for image in made.style.images)
    assert made.output.path.is_relative_to(JOBS.parent / "out")


def test_neural_style_brings_its_own_defaults_and_the_job_has_the_last_word():
    made = job(objective="neural-style")
    assert (made.content.weight, made.style.weight, made.optimize.tv_weight) == (5, 100, 1e-3)
    assert made.style.layers == dict.fromkeys([f"relu{n}_1" for n in range(1, 6)], 1.0)
    assert made.temporal.weight == 1000
    own = job(objective="neural-style", content={"weight": 2.0}, optimize={"tv_weight": 0.0})
    assert (own.content.weight, own.style.weight, own.optimize.tv_weight) == (2, 100, 0)
    assert Job.model_validate(made.model_dump()) == made


@pytest.mark.parametrize(
    "changes",
    [
        {"style": {**LEAST["style"], "loss": "wasserstein"}},
        {"style": {**LEAST["style"], "regions": [{"content": "a.png"}]}},
        {"content": {"colours": "style"}},
    ],
)
def test_what_neural_style_has_no_place_for_is_refused(changes):
    assert job(**changes)
    with pytest.raises(ValidationError, match="not with objective: neural-style"):
        job(objective="neural-style", **changes)


def test_weights_that_are_all_nought_are_refused():
    style, content = {**LEAST["style"], "weight": 0}, {"weight": 0}
    assert job(style=style)
    assert job(content=content)
    assert job(style=style, content=content, optimize={"tv_weight": 1.0})
    with pytest.raises(ValidationError, match="all weights are 0"):
        job(style=style, content=content, optimize={"tv_weight": 0})


def test_regions_name_style_pictures_that_are_there():
    def made(**region):
        images = [{"path": "/a/1.png"}, {"path": "/a/2.png"}]
        return job(style={"images": images, "regions": [{"content": "/a/m.png", **region}]})

    assert made().style.regions[0].image is None
    assert made(image=1, style="/a/part.png").style.regions[0].image == 1
    with pytest.raises(ValidationError, match="no such style picture"):
        made(image=2)
    with pytest.raises(ValidationError, match="a part of which style picture"):
        made(style="/a/part.png")


@pytest.mark.parametrize("scales", ["auto", 3, [200, 100], [1]])
def test_scales_are_a_number_or_shares(scales):
    found = job(optimize={"scales": scales}).optimize.scales
    assert found == (tuple(scales) if isinstance(scales, list) else scales)


@pytest.mark.parametrize("scales", [0, 17, [], [0], [1.5], "many", True])
def test_scales_of_another_kind_are_refused(scales):
    with pytest.raises(ValidationError):
        job(optimize={"scales": scales})


def test_a_start_is_named_or_a_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("content", "noise", "style"):
        assert job(optimize={"start": name}).optimize.start == name
    assert job(optimize={"start": "a.png"}).optimize.start == tmp_path / "a.png"


def test_procedural_weights_bring_content_layers_of_their_own_and_the_job_has_the_last_word():
    made = job(model={"weights": "procedural"})
    assert made.content.layers == {"relu1_2": 1, "relu4_2": 3}
    assert job().content.layers == {"relu4_2": 1}
    assert job(model={"weights": "procedural"}, objective="neural-style").content.layers == {
        "relu4_2": 1
    }
    own = job(model={"weights": "procedural"}, content={"layers": {"relu3_1": 1}})
    assert own.content.layers == {"relu3_1": 1}
    assert Job.model_validate(made.model_dump()) == made
