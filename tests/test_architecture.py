"""The floors: who may import whom, and what the core may not know."""

import ast
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "src" / "procession"

# From the ground up. A room may import rooms of its own floor and of lower ones.
FLOORS = [
    {"compiled"},
    {"core"},
    {"manifest", "current", "sending", "spawning", "process", "channel", "time"},
    {"guests", "security"},
    {"hosts", "supervision"},
    {"entries"},
    {"node"},
    {"program", "signals"},
    {"worker"},
    {"cli", "__init__"},
]
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}

FILES = sorted(PACKAGE.rglob("*.py"))


def room_of(module):
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def module_of(path):
    return ".".join(("procession", *path.relative_to(PACKAGE).with_suffix("").parts))


def imports(path):
    """Every module that a file imports, for type checking too, at any depth."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_every_room_has_a_floor():
    rooms = {room_of(module_of(path)) for path in FILES}
    assert rooms == set(FLOOR)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_downward_only(path):
    own = room_of(module_of(path))
    for name in imports(path):
        if name.startswith("procession."):
            room = room_of(name)
            assert FLOOR.get(room, -1) <= FLOOR[own], f"{path} imports {name}"
        elif own != "__init__":
            assert name != "procession", f"{path}: import the defining module, not the package"


@pytest.mark.parametrize(
    "path", sorted((PACKAGE / "core").glob("*.py")), ids=lambda path: path.stem
)
def test_the_core_knows_no_loop_thread_socket_clock_or_chance(path):
    forbidden = {
        "asyncio", "threading", "_thread", "concurrent", "multiprocessing", "socket", "select",
        "selectors", "signal", "subprocess", "time", "random", "secrets", "os", "io", "pathlib",
        "logging",
    }  # fmt: skip
    assert not {name.split(".")[0] for name in imports(path)} & forbidden


@pytest.mark.parametrize(
    ("library", "rooms"),
    [
        (
            "asyncio",
            {
                "current",
                "guests",
                "hosts",
                "node",
                "program",
                "signals",
                "worker",
                "supervision",
                "cli",
            },
        ),
        ("yaml", {"manifest"}),
        ("click", {"cli"}),
        ("structlog", {"cli"}),
        ("lupa", {"guests"}),
    ],
)
def test_a_foreign_library_has_one_door(library, rooms):
    users = {room_of(module_of(path)) for path in FILES if library in set(imports(path))}
    assert users <= rooms


def test_only_declared_dependencies_and_the_standard_library_are_imported():
    import tomllib

    project = tomllib.loads((PACKAGE.parent.parent / "pyproject.toml").read_text())["project"]
    declared = {text.split(">=")[0].lower() for text in project["dependencies"]}
    declared = {"yaml" if name == "pyyaml" else name for name in declared}
    used = {name.split(".")[0] for path in FILES for name in imports(path)}
    foreign = used - set(sys.stdlib_module_names) - {"procession"}
    assert foreign == declared


def test_no_file_eats_the_project():
    sizes = {path: len(path.read_text().splitlines()) for path in FILES}
    assert {str(path): size for path, size in sizes.items() if size > 500} == {}
