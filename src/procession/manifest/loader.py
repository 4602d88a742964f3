"""The manifest of an application: all of its `_index` files, or all that is wrong with them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from procession.core.errors import Invalid, NotFound
from procession.manifest import check
from procession.manifest.document import MAX_BYTES, Document, Unreadable, read_document
from procession.manifest.entry import (
    KINDS,
    Entry,
    HostEntry,
    HostOptions,
    Place,
    change_host,
    read_entry,
)
from procession.manifest.files import FILE_NAMES, find_manifests
from procession.manifest.problem import ManifestError, ManifestErrors
from procession.manifest.report import Report
from procession.manifest.resolve import check_references, too_many_workers
from procession.manifest.section import Section, items

if TYPE_CHECKING:
    from collections.abc import Mapping


_NOT_READ = f"this looks like a manifest, but is not read: only {', '.join(FILE_NAMES)} are"


CWD_GONE = "the app folder is relative to the working directory, and that has been deleted"


class Manifest(msgspec.Struct, frozen=True):
    """The entries of the application in the folder `root`, by id, in the order of the files."""

    root: Path
    entries: dict[str, Entry]
    files: list[Path] = []
    """Those that declare them."""


def load_manifest(app_dir: Path) -> Manifest:
    """The entries that the files under the folder declare; without a file there are none.

    A folder's own file comes before those of its subfolders, which are in the order of their
    names. Raises ManifestErrors with everything that is wrong; NotFound or Invalid if there is
    no such folder.
    """
    manifest, errors = inspect_manifest(app_dir)
    if errors:
        raise ManifestErrors(errors)
    return manifest


def with_settings(manifest: Manifest, settings: Mapping[str, Any]) -> Manifest:
    """The manifest with options of all its hosts changed, by name. Raises Invalid."""
    entries = dict(manifest.entries)
    for name, value in settings.items():
        alone = change_host(HostOptions(), name, value)  # wrong is wrong, also without any host
        workers = 0
        for id, entry in entries.items():
            if isinstance(entry, HostEntry):
                host = change_host(entry.host, name, value)
                entries[id] = msgspec.structs.replace(entry, host=host)
                workers += host.os_workers
        if message := too_many_workers(workers or alone.os_workers):
            raise Invalid(f"setting {name}: {message}")
    return msgspec.structs.replace(manifest, entries=entries)


def inspect_manifest(app_dir: Path) -> tuple[Manifest, list[ManifestError]]:
    """The entries that are in order, and everything that is wrong. See `load_manifest`."""
    if not os.path.isdir(app_dir):
        if os.path.exists(app_dir):
            raise Invalid(f"the app folder {app_dir} is not a folder")
        raise NotFound(f"the app folder {app_dir} does not exist")
    try:
        root = os.path.realpath(app_dir)
    except FileNotFoundError:
        raise NotFound(CWD_GONE) from None
    loading = _Loading(Path(root))
    found = find_manifests(loading.root, loading.unreadable_folder)
    for file in found.manifests:
        loading.read_file(file)
    for file, meant in found.misnamed:
        loading.unreadable(file, Unreadable(1, f"{_NOT_READ}; did you mean {meant}?"))
    check_references(loading.entries, loading.reports, complete=loading.complete)
    return Manifest(loading.root, loading.entries, found.manifests), loading.errors


class _Loading:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.errors: list[ManifestError] = []
        self.entries: dict[str, Entry] = {}
        self.reports: dict[str, Report] = {}
        """Of each id that is declared, also where what it declares is too wrong to be an entry."""
        self.complete = True
        """Whether `reports` has all ids that there are."""

    def read_file(self, file: Path) -> None:
        """Add the entries of a file."""
        try:
            document = read_document(self._content(file), is_json=file.suffix == ".json")
        except Unreadable as error:
            self.unreadable(file, error)
            return
        report = Report(self.errors, self._relative(file), document.lines)
        header = Section(document.data, report)
        header.take("version", _version, None)
        namespace = header.require("namespace", check.namespace, "")
        entries: list[Any] = header.take("entries", items, [])
        header.close()
        if not namespace:
            self.complete = False
        reports = {}
        for index, data in enumerate(entries):
            if isinstance(data, dict):
                reports[index] = self._read_entry(file, namespace, data, report, index)
            else:
                report(f"expected a mapping, got {check.shown(data)}", "entries", index)
        _report_flaws(document, report, reports)

    def _read_entry(
        self, file: Path, namespace: str, data: dict[Any, Any], report: Report, index: int
    ) -> Report:
        place = report.of_entry(None, ("entries", index))
        section = Section(data, place)
        name = section.require("name", check.name, "")
        if namespace and name:
            id = f"{namespace}:{name}"
            section.report = place = report.of_entry(id, ("entries", index))
        else:
            id = ""
        kind = section.require("kind", _kind, "")
        first = self.reports.get(id)
        if first:
            other_file, line = first.place("name")
            place(f"the id is taken by the entry at {other_file}:{line}", "name")
        elif id:
            self.reports[id] = place
        if kind:
            line = place.place()[1]
            where = Place(self.root, file.parent, namespace)
            entry = read_entry(section, where, id=id, name=name, kind=kind, file=file, line=line)
            if id and not first:
                self.entries[id] = entry
        return place

    def _content(self, file: Path) -> bytes:
        if not Path(os.path.realpath(file)).is_relative_to(self.root):
            raise Unreadable(1, "this is a link that leads out of the app folder")
        if not os.path.isfile(file):  # a pipe would block
            raise Unreadable(1, "this is not a regular file")
        try:
            with file.open("rb") as stream:
                return stream.read(MAX_BYTES + 1)
        except OSError as error:
            raise Unreadable(1, f"this cannot be read: {error.strerror}") from None

    def unreadable(self, file: Path, error: Unreadable) -> None:
        """Note that it is not known what a file declares."""
        self.complete = False
        Report(self.errors, self._relative(file), {})(error.message, line=error.line)

    def unreadable_folder(self, error: OSError) -> None:
        """Note that it is not known what is in a folder."""
        folder = Path(error.filename)
        self.unreadable(folder, Unreadable(1, f"this cannot be read: {error.strerror}"))

    def _relative(self, file: Path) -> str:
        return file.relative_to(self.root).as_posix()


def _report_flaws(document: Document, report: Report, reports: dict[int, Report]) -> None:
    """Tell what was wrong with the text itself, each flaw at the entry that it is in."""
    for keys, line, message in document.flaws:
        if len(keys) > 1 and keys[0] == "entries" and keys[1] in reports:
            reports[keys[1]](message, *keys[2:], line=line)
        else:
            report(message, *keys, line=line)


def _version(value: Any) -> None:
    if isinstance(value, bool) or value not in ("1.0", 1):
        raise Invalid(f'expected "1.0", the one version there is, got {check.shown(value)}')


def _kind(value: Any) -> str:
    kind = check.text(value)
    if kind not in KINDS:
        raise Invalid(f"unknown kind {check.shown(kind)}{check.unknown(kind, list(KINDS))}")
    return kind
