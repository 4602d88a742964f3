"""Wheels and the sdist, installed where nothing else is: with a C compiler, and without one."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import venv
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest
from tests.packaging.conftest import CLONE, copy_clone

from procession import compiled

PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
VERSION = version("procession")
PYTHON = f"cp{sys.version_info.major}{sys.version_info.minor}"


def run(*command, **variables):
    """Run a program that knows nothing of this clone, in an empty folder."""
    environment = {**os.environ, **variables}
    for name in ("PYTHONPATH", "PROCESSION_PURE", "PROCESSION_COMPILE"):
        if name not in variables:
            environment.pop(name, None)
    cwd = environment.pop("CWD", None)
    return subprocess.run(
        [*map(str, command)], env=environment, cwd=cwd, capture_output=True, text=True
    )


def wheel_of(sdist, folder, *options, **variables):
    """Have pip build a wheel of it; the wheel, or what pip says if it has failed."""
    done = run(*PIP, "wheel", "--no-deps", "-w", folder, *options, sdist, **variables)
    wheels = list(Path(folder).glob("*.whl"))
    assert (done.returncode == 0) == (len(wheels) == 1), done.stdout + done.stderr
    return wheels[0] if wheels else done.stdout + done.stderr


def install(folder, *what):
    """An environment of its own with that in it, and what that needs: its folder of programs."""
    venv.create(folder)
    programs = folder / ("Scripts" if os.name == "nt" else "bin")
    python = programs / "python"
    done = run(sys.executable, "-m", "pip", "--python", python, "install", "--quiet", *what)
    assert done.returncode == 0, done.stderr
    return programs


@pytest.fixture(scope="module")
def sdist(tmp_path_factory):
    """An sdist of this clone, in which something was compiled."""
    copy = copy_clone(tmp_path_factory.mktemp("clone"), small=False)
    (copy.core / f"timers{compiled.SUFFIX}").write_text("left over")
    (copy.core.parent / f"compiled{compiled.SUFFIX}.json").write_text("left over")
    done = run(sys.executable, "-m", "hatchling", "build", "-t", "sdist", CWD=str(copy.root))
    assert done.returncode == 0, done.stderr
    [file] = (copy.root / "dist").iterdir()
    return file


@pytest.fixture(scope="module")
def compiled_wheel(sdist, compiler, tmp_path_factory):
    """The wheel that pip makes of the sdist, as on the machine of a user."""
    folder = tmp_path_factory.mktemp("compiled")
    return wheel_of(sdist, folder, PROCESSION_COMPILE="1", CFLAGS="-O0")


@pytest.fixture(scope="module")
def plain_wheel(sdist, tmp_path_factory):
    """The same where there is no C compiler."""
    folder = tmp_path_factory.mktemp("plain")
    return wheel_of(sdist, folder, "--no-build-isolation", CC="no-such-compiler")


def names_in(wheel):
    with zipfile.ZipFile(wheel) as file:
        return set(file.namelist())


def endings_in(wheel):
    return {Path(name).suffix for name in names_in(wheel) if "dist-info" not in name}


def test_an_sdist_holds_all_that_a_build_needs_and_nothing_that_was_built(sdist):
    with tarfile.open(sdist) as file:
        held = {name.partition("/")[2] for name in file.getnames()}
    sources = {
        path.relative_to(CLONE).as_posix()
        for ending in ("py", "pyx", "pxd", "lua")
        for path in (CLONE / "src").rglob(f"*.{ending}")
    }
    assert sources | {"compile_core.py", "hatch_build.py", "pyproject.toml"} <= held
    assert not [name for name in held if name.endswith((".so", ".pyd", ".c", ".json"))]


def test_a_compiled_wheel_is_for_one_python_and_holds_no_sources_in_c(compiled_wheel):
    assert f"-{PYTHON}-{PYTHON}-" in compiled_wheel.name
    assert endings_in(compiled_wheel) == {
        ".py", ".lua", ".typed", ".json", Path(compiled.SUFFIX).suffix
    }  # fmt: skip
    modules = compiled.modules_of(str(CLONE / "src" / "procession"))
    extensions = {name.replace(".", "/") + compiled.SUFFIX for name in modules}
    assert extensions == {name for name in names_in(compiled_wheel) if compiled.SUFFIX in name} - {
        f"procession/compiled{compiled.SUFFIX}.json"
    }


def test_a_plain_wheel_is_for_every_python(plain_wheel):
    assert plain_wheel.name.endswith("-py3-none-any.whl")
    assert endings_in(plain_wheel) == {".py", ".lua", ".typed"}


PROGRAM = """
import procession
from procession import compiled, process

async def worker(parent, value):
    process.send(parent, "done", value * 2)

async def main():
    done = process.listen("done")
    for value in range(100):
        process.spawn_linked(worker, None, process.pid(), value)
    return sum([await done.receive() for _ in range(100)])

print(procession.run(main), compiled.is_compiled(), compiled.__file__)
"""


@pytest.mark.parametrize(
    ("wheel", "pure", "core"),
    [
        ("compiled_wheel", "0", f"compiled, CPython {'.'.join(map(str, sys.version_info[:3]))}"),
        ("compiled_wheel", "1", "plain Python, PROCESSION_PURE is set"),
        ("plain_wheel", "0", "plain Python, installed without a compiled core"),
    ],
)
def test_an_installed_wheel_runs_programs_and_says_which_core_runs(
    request, installed, tmp_path, wheel, pure, core
):
    programs = installed(request.getfixturevalue(wheel))
    choice = {"PROCESSION_PURE": pure, "CWD": str(tmp_path)}
    said = run(programs / "procession", "--version", **choice)
    assert (said.stderr, said.stdout) == ("", f"procession {VERSION} (core: {core})\n")
    done = run(programs / "python", "-c", PROGRAM, **choice)
    assert done.returncode == 0, done.stderr
    result, is_compiled, file = done.stdout.split()
    assert (result, is_compiled) == ("9900", str(core.startswith("compiled")))
    assert file.startswith(str(programs.parent))


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Install each wheel once."""
    made = {}

    def installed(wheel):
        if wheel not in made:
            made[wheel] = install(tmp_path_factory.mktemp("environment"), wheel)
        return made[wheel]

    return installed


def test_an_installed_core_that_lacks_a_part_runs_plain_and_says_so(
    compiled_wheel, installed, tmp_path
):
    programs = installed(compiled_wheel)
    [part] = programs.parent.rglob(f"kernel{compiled.SUFFIX}")
    part.rename(part.with_suffix(".away"))
    try:
        said = run(programs / "procession", "--version")
    finally:
        part.with_suffix(".away").rename(part)
    why = f"plain Python, {part.name} is missing: install procession anew"
    assert said.stdout == f"procession {VERSION} (core: {why})\n"
    assert said.stderr.startswith("procession: runs as plain Python: kernel")


def test_where_it_must_compile_pip_shows_why_it_does_not(sdist, tmp_path):
    said = wheel_of(
        sdist, tmp_path, "--no-build-isolation", CC="no-such-compiler", PROCESSION_COMPILE="1"
    )
    assert (
        "error: PROCESSION_COMPILE is 1, and the core is not compiled: "
        "no C compiler found (no-such-compiler)" in said
    )


@pytest.mark.parametrize("variable", ["PROCESSION_COMPILE", "PROCESSION_PURE"])
def test_compiling_can_be_refused(built, variable):
    value = "0" if variable == "PROCESSION_COMPILE" else "1"
    done = built.run("-m", "hatchling", "build", "-t", "wheel", **{variable: value})
    [wheel] = (built.root / "dist").glob("*.whl")
    assert wheel.name.endswith("-py3-none-any.whl"), done.stderr


def test_a_wheel_holds_what_is_compiled_in_place_and_compiles_nothing_twice(built):
    done = built.run("-m", "hatchling", "build", "-t", "wheel")
    assert done.returncode == 0, done.stderr
    [wheel] = (built.root / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as file:
        for name in ("duration", "timers"):
            inside = f"procession/core/{name}{compiled.SUFFIX}"
            assert file.read(inside) == (built.root / "src" / inside).read_bytes()


def test_without_a_compiler_one_line_says_that_a_wheel_is_plain(unbuilt):
    done = unbuilt.run("-m", "hatchling", "build", "-t", "wheel", CC="no-such-compiler")
    [line] = [line for line in (done.stdout + done.stderr).splitlines() if "plain" in line]
    assert line == "procession: this wheel is plain Python: no C compiler found (no-such-compiler)"


def test_an_editable_install_compiles_nothing(unbuilt):
    code = "from hatchling.build import build_editable; print(build_editable('dist'))"
    done = unbuilt.run("-c", code)
    assert done.stdout.endswith("-py3-none-any.whl\n"), done.stderr
    assert not (unbuilt.root / "build").exists()
