"""A copy of what is needed to build, with a small core to compile: the clone stays as it is."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CLONE = Path(__file__).parents[2]

# What stands for the core that compiles. Each needs nothing of another, so any mix would import.
DURATION, TIMERS = "procession.core.duration", "procession.core.timers"


class Copy:
    """A copy of the clone, and programs that run in it."""

    def __init__(self, root):
        self.root = root
        self.core = root / "src" / "procession" / "core"

    def build(self, **variables):
        """As `make build` does."""
        return self.run("compile_core.py", **variables)

    def run(self, *command, **variables):
        """Run Python there. `variables` are added to the environment."""
        environment = {
            **os.environ,
            "PYTHONPATH": str(self.root / "src"),
            "CFLAGS": "-O0",
            **variables,
        }
        for name in ("PROCESSION_PURE", "PROCESSION_COMPILE"):
            if name not in variables:
                environment.pop(name, None)
        return subprocess.run(
            [sys.executable, *map(str, command)],
            cwd=self.root,
            env=environment,
            capture_output=True,
            text=True,
        )

    def cores(self, *first, **variables):
        """Import `first` and the package; which core that says, of which kind its modules are."""
        code = (
            "import importlib, sys\n"
            f"for name in {[*first, 'procession', DURATION, TIMERS]}:\n"
            "    importlib.import_module(name)\n"
            "print(sys.modules['procession.compiled'].core())\n"
            f"print(*(sys.modules[name].__file__ for name in {[DURATION, TIMERS]}), sep='\\n')\n"
        )
        done = self.run("-c", code, **variables)
        assert done.returncode == 0, done.stderr
        says, *files = done.stdout.splitlines()
        kinds = {"plain" if file.endswith(".py") else "compiled" for file in files}
        assert len(kinds) == 1, files
        return kinds.pop(), says, done.stderr

    def extensions(self):
        """When each module that is compiled here was made."""
        files = [*self.core.glob("*.so"), *self.core.glob("*.pyd")]
        return {file.name.partition(".")[0]: file.stat().st_mtime_ns for file in files}


def copy_clone(root, *, small):
    """Copy what a build needs. `small`: what is to be compiled are two modules."""
    built = shutil.ignore_patterns("*.so", "*.pyd", "compiled.*.json", "__pycache__")
    shutil.copytree(CLONE / "src", root / "src", ignore=built)
    for name in ("pyproject.toml", "README.md", ".gitignore", "compile_core.py", "hatch_build.py"):
        shutil.copy2(CLONE / name, root / name)
    copy = Copy(root)
    if small:
        for pattern in ("*.pxd", "*.pyx"):
            for file in (root / "src").rglob(pattern):
                file.unlink()
        (copy.core / "duration.pxd").write_text("ctypedef int number\n")
        (copy.core / "timers.pxd").write_text("from procession.core.duration cimport number\n")
    return copy


@pytest.fixture(scope="session")
def compiler():
    """Tests that compile are skipped where that is impossible."""
    done = subprocess.run(
        [sys.executable, "-c", "import compile_core; print(compile_core.find_compiler())"],
        cwd=CLONE,
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        pytest.skip(done.stderr.splitlines()[-1])
    return done.stdout.strip()


@pytest.fixture(scope="session")
def built_once(tmp_path_factory, compiler):
    """A copy whose small core is compiled. Not to be changed."""
    copy = copy_clone(tmp_path_factory.mktemp("built"), small=True)
    done = copy.build()
    assert (done.returncode, done.stderr) == (0, "")
    copy.said = done.stdout
    return copy


@pytest.fixture
def built(built_once, tmp_path):
    """The same, to be changed."""
    shutil.copytree(built_once.root, tmp_path, dirs_exist_ok=True)
    return Copy(tmp_path)


@pytest.fixture
def unbuilt(tmp_path):
    """A copy in which nothing is compiled yet."""
    return copy_clone(tmp_path, small=True)
