"""What the README says is so."""

import re
import tomllib
from pathlib import Path

import ray
import yaml
from PIL import Image
from typer.testing import CliRunner

from render.cli import app
from render.spec.reference import settings_table

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text()


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


def test_it_names_the_two_commands_that_set_everything_up():
    commands = [line for block in blocks("sh") for line in block.splitlines()]
    assert "pip install . && render run jobs/quickstart.yaml" in commands
    assert "pip install '.[test]' && pytest" in commands


def test_every_command_of_the_table_exists_and_none_is_missing():
    named = set(re.findall(r"^\| `render (\w+)", TEXT, re.MULTILINE))
    assert named == {command.callback.__name__ for command in app.registered_commands}


def test_the_options_of_run_are_those_of_the_table():
    line = next(line for line in TEXT.splitlines() if line.startswith("| `render run"))
    text = CliRunner().invoke(app, ["run", "--help"], env={"COLUMNS": "200"}).output
    for option in re.findall(r"`(--\w+)", line):
        assert option in text


def test_every_file_that_it_names_is_there():
    for name in set(re.findall(r"`((?:jobs/|cluster)[\w./]+)`", TEXT)):
        assert (ROOT / name).exists(), name


def test_the_python_example_runs(cluster, tmp_path, monkeypatch, capsys):
    (example,) = blocks("python")
    quick = f'["engine=passthrough", "output.path={tmp_path}/out.mp4"]'
    monkeypatch.chdir(ROOT)
    exec(example.replace('["output.size=96", "output.path=out/small.mp4"]', quick), {})
    shown = capsys.readouterr().out
    assert "28 frames" in shown
    assert "FrameDone(frame=27" in shown
    assert (tmp_path / "out.mp4").is_file()


def test_the_jobs_in_it_are_right(tmp_path):
    examples = [block for block in blocks("yaml") if "input:" in block]
    assert len(examples) == 2
    for example in examples:
        path = tmp_path / "job.yaml"
        path.write_text(example)
        result = CliRunner().invoke(app, ["check", str(path)])
        assert result.exit_code == 0, result.output


def test_the_image_in_it_has_this_ray_and_what_object_storage_needs():
    (recipe,) = blocks("dockerfile")
    lines = [line for line in recipe.splitlines() if not line.startswith("#")]
    assert {line.split()[0] for line in lines} == {"FROM", "COPY", "RUN"}
    assert lines[0] == f"FROM rayproject/ray:{ray.__version__}-py311-gpu"
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    installed = re.search(r"render\[([\w,]+)\]", recipe)[1].split(",")
    assert set(installed) < extras.keys()
    assert f"ray[default]=={ray.__version__}" in recipe
    assert CliRunner().invoke(app, ["check", str(ROOT / "jobs/quickstart.yaml")]).exit_code == 0


def test_the_settings_in_it_are_those_of_the_schema():
    _, _, rest = TEXT.partition("<!-- settings -->\n")
    assert rest.partition("<!-- end of settings -->")[0] == settings_table(), (
        "write it anew: sed -i -e '/<!-- settings -->/,/<!-- end/{//!d}' README.md; "
        "render schema --markdown | sed -i '/<!-- settings -->/r /dev/stdin' README.md"
    )


def test_its_pictures_are_there_and_small():
    named = re.findall(r"!\[[^]]+\]\(([^)]+)\)", TEXT)
    assert named[0] == "jobs/pictures/styles.jpg"
    sizes = [path.stat().st_size for path in (ROOT / "jobs").rglob("*") if path.is_file()]
    assert max(sizes) <= 1_000_000
    assert sum(sizes) <= 3_000_000
    for name in named:
        with Image.open(ROOT / name) as picture:
            assert min(picture.size) > 100


def test_the_job_for_kubernetes_is_for_this_ray_and_runs_a_command_of_ours():
    job = yaml.safe_load(next(block for block in blocks("yaml") if "RayJob" in block))
    cluster = job["spec"]["rayClusterSpec"]
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    assert cluster["rayVersion"] == ray.__version__
    assert job["spec"]["entrypoint"].startswith("python -m render run ")
    (worker,) = cluster["workerGroupSpecs"]
    for pod in (cluster["headGroupSpec"], worker):
        (container,) = pod["template"]["spec"]["containers"]
        assert container["resources"]["limits"]["cpu"]


def test_the_commands_for_a_clip_of_your_own_run(tmp_path, clip, style_picture, monkeypatch):
    for name, source in (("clips/holiday.mp4", clip), ("styles/starry_night.jpg", style_picture)):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(source.read_bytes())
    example = next(block for block in blocks("yaml") if "holiday.mp4" in block)
    quick = "engine: passthrough\n"
    (tmp_path / "holiday.yaml").write_text(example.replace("0-119", "0-11") + quick)
    monkeypatch.chdir(tmp_path)
    commands = next(block for block in blocks("sh") if "render check" in block).splitlines()
    assert [command.split()[1] for command in commands] == ["check", "preview", "plan", "run"]
    for command in commands:
        result = CliRunner().invoke(app, command.replace("--frame 60", "--frame 6").split()[1:])
        assert result.exit_code == 0, (command, result.output)
    assert (tmp_path / "out/holiday.mp4").is_file()
    assert (tmp_path / "out/holiday.render/report.html").is_file()
    assert (tmp_path / "out/holiday.render/preview/000006.png").is_file()
