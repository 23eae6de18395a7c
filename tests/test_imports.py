"""The floors of the house: imports run downward only."""

import ast
from pathlib import Path

import pytest

import render

ROOT = Path(render.__file__).parent
FLOORS = [
    {"errors", "pixels"},
    {"spec", "files", "lock", "ending"},
    {"ledger", "batches"},
    {"index", "learnt"},
    {"dispatch", "remote"},
    {"storage", "versions"},
    {"style", "motion", "media", "places", "difference"},
    {"weights", "sample", "settle", "machine", "curvature"},
    {"assembly", "raft"},
    {"metrics", "warm"},
    {"painted", "plan", "materials"},
    {"painter", "planner", "turns", "papers"},
    {"rescue"},
    {"together"},
    {"store"},
    {"mirror"},
    {"inputs", "finish", "farm", "measuring", "report", "schedule", "single", "trial"},
    {"pipeline", "progress", "doctor", "estimate"},
    {"study", "bench"},
    {"dryrun"},
    {"cli"},
    {"__init__", "__main__"},
]
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
NOT_IN = {
    "spec": {"torch", "ray", "cv2", "av", "imageio", "PIL"},
    "style": {"ray", "cv2", "av", "imageio", "PIL", "yaml", "pathlib"},
    "motion": {"ray", "torch", "av", "imageio", "PIL"},
    "media": {"ray", "torch"},
    "metrics": {"ray", "torch", "av", "imageio", "PIL"},
    "places": {"ray", "torch"},
    "plan": {"ray", "torch"},
    "planner": {"ray", "torch"},
    "batches": {"ray", "torch"},
    "dispatch": {"ray", "torch"},
    "index": {"ray", "torch"},
    "learnt": {"ray", "torch"},
    "store": {"ray", "torch"},
    "schedule": {"ray", "torch"},
    "turns": {"ray", "torch"},
    "warm": {"ray", "torch"},
}
MODULES = sorted(ROOT.rglob("*.py"))


def room_of(path):
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            if node.module == "render":
                yield from (f"render.{alias.name}" for alias in node.names)
            else:
                yield node.module


def test_every_module_has_a_floor():
    assert {room_of(path) for path in MODULES} == set(FLOOR)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_run_downward(path):
    room = room_of(path)
    for name in imports(path):
        package, *rest = name.split(".")
        if package == "render" and rest and rest[0] != room:
            assert FLOOR[rest[0]] < FLOOR[room], f"{room} imports {rest[0]}"
        assert package not in NOT_IN.get(room, ()), f"{room} imports {package}"


def test_only_the_farm_knows_ray():
    users = {room_of(path) for path in MODULES for name in imports(path) if name.startswith("ray")}
    assert users == {"farm"}
