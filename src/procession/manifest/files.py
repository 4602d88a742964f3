"""Which files below an app folder are its manifests, and which only look so.

What is installed beside an app is not part of it: a virtual environment or `node_modules` may hold
packages with manifests of their own. Neither is what is hidden.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from procession.manifest.document import MAX_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FILE_NAMES = ("_index.yaml", "_index.yml", "_index.json")

_FOREIGN = {
    "node_modules": "has packages of JavaScript",
    "site-packages": "has installed packages",
    "__pycache__": "has compiled code",
}
_SLIPS = {
    "index",
    *("index"[:i] + "index"[i + 1 :] for i in range(5)),  # a letter is missing
    *("index"[:i] + "index"[i + 1] + "index"[i] + "index"[i + 2 :] for i in range(4)),  # swapped
}
_KEYS = ("namespace", "entries")


class Found(NamedTuple):
    """The manifests, and files that are one but for their name, each with the right name."""

    manifests: list[Path]
    misnamed: list[tuple[Path, str]]


class NotRead(NamedTuple):
    """A folder that is no part of the app, why, and the manifests in it."""

    folder: Path
    reason: str
    manifests: list[Path]


def find_manifests(root: Path, on_error: Callable[[OSError], object]) -> Found:
    """The manifests below a folder, a folder's own before those of its subfolders.

    The subfolders are in the order of their names. Symbolic links to folders are not followed.
    """
    found = Found([], [])
    for folder, names in _walk(root, on_error, lambda path, reason: None):
        own = [folder / name for name in FILE_NAMES if name in names]
        found.manifests.extend(own)
        if not own:
            found.misnamed.extend(_misnamed(root, folder, names))
    return found


def manifests_not_read(root: Path) -> list[NotRead]:
    """The folders below `root` that have manifests and are no part of the app."""
    skipped: list[tuple[Path, str]] = []
    for _ in _walk(root, lambda error: None, lambda path, reason: skipped.append((path, reason))):
        pass
    found = []
    for folder, reason in skipped:
        manifests = [
            Path(inner, name)
            for inner, _, names in os.walk(folder)
            for name in FILE_NAMES
            if name in names
        ]
        if manifests:
            found.append(NotRead(folder, reason, sorted(manifests)))
    return found


def _walk(
    root: Path, on_error: Callable[[OSError], object], skip: Callable[[Path, str], object]
) -> Iterator[tuple[Path, set[str]]]:
    """Each folder of the app, with the names of its files; tells which folders it leaves out."""
    for folder, subfolders, names in os.walk(root, onerror=on_error):
        own = []
        for name in sorted(subfolders):
            path = Path(folder, name)
            reason = why_foreign(path)
            if reason is None:
                own.append(name)
            elif name != ".git":  # large, and nobody looks for anything in it
                skip(path, reason)
        subfolders[:] = own
        yield Path(folder), set(names)


def why_foreign(folder: Path) -> str | None:
    """Why a folder is no part of the app, or None."""
    if os.path.isfile(folder / "pyvenv.cfg"):
        return "is a virtual environment"
    if folder.name.startswith("."):
        return "is hidden"
    return _FOREIGN.get(folder.name)


def _misnamed(root: Path, folder: Path, names: set[str]) -> Iterator[tuple[Path, str]]:
    for name in sorted(names):
        stem, _, suffix = name.lower().rpartition(".")
        meant = f"_index.{suffix}"
        alike = meant in FILE_NAMES and stem.strip("_-. ") in _SLIPS
        if alike and _is_manifest(root, folder / name):
            yield folder / name, meant


def _is_manifest(root: Path, file: Path) -> bool:
    """Whether a file has the keys of one at its top. It may be broken all the same."""
    real = os.path.realpath(file)
    if not Path(real).is_relative_to(root) or not os.path.isfile(real):
        return False
    try:
        with open(real, "rb") as stream:
            text = stream.read(MAX_BYTES).decode(errors="replace").lstrip("\ufeff \n")
    except OSError:
        return False
    place = "" if text.startswith("{") else "^"
    return all(re.search(rf"{place}[\"']?\b{key}\b[\"']?\s*:", text, re.M) for key in _KEYS)
