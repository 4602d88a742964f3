"""Which core runs: the compiled one or plain Python. Chosen once, for all of it.

A module `X.py` is compiled if its types, `X.pxd`, or a twin in Cython, `X.pyx`, stand beside it
(`compile_core.py`, beside `src`, does it). What comes out stands beside them too, and Python would
take each that it finds. That is not good enough: half a core of one kind and half of the other
does not fit together, and one that is older than its source runs code that nobody sees. So all
are taken, or none is. A *record* of what was compiled, and from what, is written last and removed
first: without a record that fits, plain Python runs.

The choice has to be made before any other module of ours is imported, and the package itself
comes first whichever module is asked for. So the package calls `choose`.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader, PathFinder
from importlib.util import spec_from_file_location
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

SUFFIX = EXTENSION_SUFFIXES[0]
"""Ends the names of extension modules for this Python: version, build and platform."""

_PACKAGE = __name__.partition(".")[0]
_FOLDER = os.path.dirname(os.path.abspath(__file__))

FILES = (os.path.join(_FOLDER, ""), os.path.join(_PACKAGE, ""))
"""With one of these the files of our code begin: what is compiled names them as they were then."""


def core() -> str:
    """Tell people which core runs: `compiled, CPython 3.11.7`, or `plain Python, ` and why."""
    return _choice


def is_compiled() -> bool:
    """Whether the compiled core runs."""
    return _choice.startswith("compiled")


def environment() -> dict[str, str]:
    """The environment for an OS process of ours: it is to run the same core, if it can."""
    return {**os.environ} if is_compiled() else {**os.environ, "PROCESSION_PURE": "1"}


def choose() -> None:
    """Choose the core. To be called before any module that may be compiled is imported.

    Raises ImportError on a Python that we cannot run on, compiled or not.
    """
    global _choice
    refuse(sys.implementation.name, sys.version)
    extensions: dict[str, str] = {}
    if os.environ.get("PROCESSION_PURE", "0") not in ("", "0"):
        _choice = "plain Python, PROCESSION_PURE is set"
    else:
        record = read_record(_FOLDER)
        fault = None if record is None else why_not(_FOLDER, record)
        if record is None:
            _choice = f"plain Python, {_why_no_record()}"
        elif fault is not None:
            _choice = f"plain Python, {fault}"
            _say(f"runs as plain Python: {fault}. PROCESSION_PURE=1 makes that a choice")
        else:
            version = ".".join(map(str, sys.version_info[:3]))
            _choice = f"compiled, CPython {version}"
            extensions = {name: extension_of(_FOLDER, name) for name in record["modules"]}
    sys.meta_path.insert(0, _OneCore(extensions))


_choice = "plain Python, nothing was chosen yet"


def refuse(implementation: str, version: str) -> None:
    """Raise ImportError if this is a Python that we cannot run on."""
    if implementation != "cpython":
        raise ImportError(
            f"{_PACKAGE} runs on CPython only, and this is {implementation}: its limits on time "
            "and memory rest on how CPython runs code. Run it with CPython 3.11 or later"
        )
    if "free-threading build" in version:
        raise ImportError(
            f"{_PACKAGE} does not run on a free-threaded build of CPython, plain or compiled: "
            "it relies on one thread at a time running Python. Run it with the usual build, whose "
            f"name has no t at its end (this is {sys.executable})"
        )


class _OneCore:
    """Finds every module of ours: compiled if it is named here, else by its source.

    Extension modules that are not named are left-overs, or belong to a core that was not chosen.
    """

    def __init__(self, extensions: dict[str, str]) -> None:
        self._extensions = extensions

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """As importlib asks for it."""
        if not name.startswith(f"{_PACKAGE}."):
            return None
        file = self._extensions.get(name)
        if file is not None:
            return spec_from_file_location(name, file, loader=_Loader(name, file))
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and isinstance(spec.loader, ExtensionFileLoader):
            folder, file = os.path.split(spec.loader.path)
            source = os.path.join(folder, f"{file.partition('.')[0]}.py")
            return spec_from_file_location(name, source)
        return spec


class _Loader(ExtensionFileLoader):
    """Says what to do where the system does not load what was compiled."""

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        try:
            return super().create_module(spec)
        except ImportError as error:
            error.add_note(
                f"The compiled core of {_PACKAGE} cannot be loaded here. PROCESSION_PURE=1 runs "
                "it as plain Python; to compile it for this system, "
                f"{_remedy('install it anew with `pip install --no-binary`')}."
            )
            raise


def _say(text: str) -> None:
    """One line for whoever started it. Not a warning: where those are errors, we run as well."""
    if sys.stderr is not None:
        print(f"{_PACKAGE}: {text}", file=sys.stderr)


# -- the record ------------------------------------------------------------------------------


def record_file(folder: str) -> str:
    """The file of the record for this Python. `folder` is that of the package."""
    return os.path.join(folder, f"compiled{SUFFIX}.json")


def extension_of(folder: str, module: str) -> str:
    """The file of a compiled module."""
    return os.path.join(folder, *module.split(".")[1:]) + SUFFIX


def read_record(folder: str) -> dict[str, Any] | None:
    """What was compiled for this Python, and from what. None: nothing."""
    try:
        with open(record_file(folder), encoding="utf-8") as file:
            record = json.load(file)
    except (OSError, ValueError):
        return None
    fits = isinstance(record, dict) and {"modules", "sources", "tools"} <= record.keys()
    return record if fits else None


def why_not(folder: str, record: dict[str, Any]) -> str | None:
    """Why what was compiled must not run, and what to do; None if it may.

    In a clone it must have been made from what stands there now. An installed one has no
    `sources` in its record: it is not worked on.
    """
    for module in record["modules"]:
        if not os.path.exists(extension_of(folder, module)):
            remedy = _remedy(f"install {_PACKAGE} anew")
            return f"{os.path.basename(extension_of(folder, module))} is missing: {remedy}"
    if record["sources"]:
        if set(modules_of(folder)) != set(record["modules"]):
            return f"there is more or less to compile than before: {_remedy()}"
        for file, seen in record["sources"].items():
            if changed(os.path.join(folder, file), seen):
                return f"{file} has changed since it was compiled: {_remedy()}"
    return None


def modules_of(folder: str) -> dict[str, str]:
    """Every module that is to be compiled, and the file that it is compiled from."""
    found = {}
    for room, names in _rooms(folder):
        for name in names:
            stem, dot, ending = name.partition(".")
            if dot and ending in ("pxd", "pyx") and stem != "__init__":
                source = f"{stem}.pyx" if f"{stem}.pyx" in names else f"{stem}.py"
                if source in names:  # else it declares what is not ours
                    found[".".join((_PACKAGE, *room, stem))] = os.path.join(folder, *room, source)
    return found


def _rooms(folder: str, room: tuple[str, ...] = ()) -> Any:
    """Each folder of the package, with the names of its files."""
    files, folders = set(), []
    with os.scandir(os.path.join(folder, *room)) as entries:
        for entry in entries:
            if "." in entry.name:
                files.add(entry.name)
            elif entry.name != "__pycache__" and entry.is_dir():
                folders.append(entry.name)
    yield room, files
    for name in folders:
        yield from _rooms(folder, (*room, name))


def stamp(path: str) -> list[Any]:
    """What tells a changed file at a look, and, where only its time is another, for sure."""
    status = os.stat(path)
    with open(path, "rb") as file:
        return [status.st_size, status.st_mtime_ns, hashlib.sha256(file.read()).hexdigest()]


def changed(path: str, seen: Sequence[Any]) -> bool:
    """Whether the file is not what it was when its stamp was taken."""
    try:
        status = os.stat(path)
        if status.st_size == seen[0] and status.st_mtime_ns == seen[1]:
            return False
        return status.st_size != seen[0] or bool(stamp(path)[2] != seen[2])
    except OSError:
        return True


def _in_clone() -> bool:
    return os.path.exists(os.path.join(os.path.dirname(_FOLDER), "..", "compile_core.py"))


def _remedy(elsewhere: str = "") -> str:
    return "run `make build`" if _in_clone() else elsewhere


def _why_no_record() -> str:
    return "not compiled: run `make build`" if _in_clone() else "installed without a compiled core"
