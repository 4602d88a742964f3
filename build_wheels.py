"""Builds into `dist` the sdist, and from it a wheel with each CPython 3.11 to 3.14 of the machine.

Looks in PATH and among the versions of pyenv. Of several of one version, the first that has
Python.h. The core has to compile, unless PROCESSION_COMPILE says something else.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent
DIST = ROOT / "dist"

MINORS = range(11, 15)

PROBE = """
import json, os, sys, sysconfig
header = os.path.join(sysconfig.get_path("include"), "Python.h")
print(json.dumps({
    "fits": sys.implementation.name == "cpython" and "free-threading build" not in sys.version,
    "minor": sys.version_info.minor,
    "version": sys.version.split()[0],
    "headers": os.path.exists(header),
}))
"""


def candidates() -> list[str]:
    """Everything that may be a Python of ours."""
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions")
    found = [
        *(Path(folder, f"python3.{minor}") for minor in MINORS for folder in folders),
        *(path for minor in MINORS for path in sorted(pyenv.glob(f"3.{minor}.*/bin/python3"))),
    ]
    return [sys.executable, *(str(path) for path in found if path.exists())]


def pythons() -> dict[int, tuple[str, str]]:
    """One Python of each minor version: its file and its version."""
    found: dict[int, tuple[str, str]] = {}
    for path in candidates():
        done = subprocess.run([path, "-c", PROBE], capture_output=True, text=True)
        if done.returncode != 0:
            continue  # such as a shim of pyenv for a version that is not switched on
        about = json.loads(done.stdout)
        if about["fits"] and about["headers"] and about["minor"] in MINORS:
            found.setdefault(about["minor"], (path, about["version"]))
    return dict(sorted(found.items()))


def build(python: str, sdist: Path) -> str:
    """Build a wheel with one Python; its name, or, where that fails, what to look for."""
    pip = [sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check"]
    options = ["--quiet", "--no-deps", "--no-cache-dir", "--wheel-dir"]
    with tempfile.TemporaryDirectory() as folder:
        if subprocess.run([*pip, "wheel", *options, folder, str(sdist)]).returncode != 0:
            return "failed (see above)"
        [wheel] = Path(folder).glob("*.whl")
        shutil.move(wheel, DIST / wheel.name)
        return wheel.name


def main() -> None:
    """Build them, and say what came out."""
    os.environ.setdefault("PROCESSION_COMPILE", "1")
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", folder]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"error: the sdist cannot be built:\n{done.stdout}{done.stderr}")
        [made] = Path(folder).iterdir()
        DIST.mkdir(exist_ok=True)
        sdist = DIST / made.name
        shutil.move(made, sdist)
    print(f"{'sdist':<16} {sdist.name}", flush=True)
    found = pythons()
    wheels = {}
    for minor in MINORS:
        if minor not in found:
            print(f"CPython 3.{minor:<6} not found, or without Python.h", flush=True)
            continue
        path, version = found[minor]
        wheels[minor] = build(path, sdist)
        print(f"CPython {version:<8} {wheels[minor]}", flush=True)
    if not wheels or any("failed" in name for name in wheels.values()):
        sys.exit(1)


if __name__ == "__main__":
    main()
