"""What the README says is so."""

import re
from pathlib import Path

from typer.testing import CliRunner

from render.cli import app

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
    exec(example.replace('["output.size=96"]', quick), {})
    shown = capsys.readouterr().out
    assert "28 frames" in shown
    assert "FrameDone(frame=27" in shown
    assert (tmp_path / "out.mp4").is_file()


def test_the_job_in_it_is_right(tmp_path):
    example = next(block for block in blocks("yaml") if "input:" in block)
    path = tmp_path / "job.yaml"
    path.write_text(example)
    result = CliRunner().invoke(app, ["check", str(path)])
    assert result.exit_code == 0, result.output
