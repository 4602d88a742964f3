"""`procession check`: everything that is wrong with an app, without running any of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from procession.cli.output import fail, no_entries, print_json
from procession.core.errors import Error, NotFound
from procession.core.printable import printable
from procession.guests.lua.guest import module_errors
from procession.guests.lua.guest import source_error as lua_source_error
from procession.guests.source import reference_error, source_error
from procession.manifest.entry import Entry, LuaEntry, PythonEntry
from procession.manifest.files import NotRead, manifests_not_read
from procession.manifest.loader import Manifest, inspect_manifest
from procession.manifest.permission import EVERYTHING
from procession.manifest.problem import ManifestError, ManifestErrors
from procession.security.permissions import ANY_PID, KEYS, OPEN, is_closed, is_open, overview

if TYPE_CHECKING:
    from collections.abc import Iterator


@click.command()
@click.argument("directory", type=click.Path(path_type=Path), default=".", metavar="[DIR]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
def check(directory: Path, as_json: bool) -> None:
    """Find the errors of an app.

    Checks the manifests in DIR (default: here), that the sources compile and have their methods,
    and that these can be processes. Nothing is run. Prints all errors with file, line, entry and
    key, and exits with 1 if there are any, or no manifest. Of an app with permissions or Lua it
    prints what each entry may do.
    """
    try:
        manifest, errors = inspect_manifest(directory)
    except Error as error:
        fail(error, as_json=as_json)
    errors = [*errors, *_entry_errors(manifest)]
    not_read = manifests_not_read(manifest.root)
    if not as_json:
        for one in not_read:
            click.echo(_note(one, manifest.root), err=True)
    skipped = [file for one in not_read for file in one.manifests]
    shown = [file.relative_to(manifest.root).as_posix() for file in skipped]
    if errors:
        fail(ManifestErrors(errors), as_json=as_json, not_read=shown)
    if not manifest.files:
        fail(NotFound(no_entries(manifest)), as_json=as_json, not_read=shown)
    count = len(manifest.entries)
    closed, is_all_open = is_closed(manifest), is_open(manifest)
    if as_json:
        more: dict[str, Any] = {"permissions": None} if is_all_open else {}
        if closed:
            more["permissions"] = _permissions_as_data(manifest)
        print_json({"ok": True, "entries": count, "not_read": shown, **more})
    elif not count:
        click.echo("ok: no entries")
    else:
        click.echo(f"ok: {count} entr{'y' if count == 1 else 'ies'}")
        if is_all_open:
            click.echo(OPEN)
        elif closed:
            _print_permissions(manifest)


def _note(not_read: NotRead, root: Path) -> str:
    folder = f"{not_read.folder.relative_to(root).as_posix()}/"
    first, *more = (file.relative_to(root).as_posix() for file in not_read.manifests)
    which = f"{first} is" if not more else f"{first} and {len(more)} more are"
    text = printable(f"{which} not read: {folder} {not_read.reason}")
    return click.style("note: ", bold=True) + text


def _permissions_as_data(manifest: Manifest) -> list[dict[str, Any]]:
    return [
        {"entry": entry.id, "host": host, "permissions": permissions}
        for entry, host, permissions in overview(manifest)
    ]


def _print_permissions(manifest: Manifest) -> None:
    for entry, host, permissions in overview(manifest):
        where = "" if host is None else f" on {host}"
        click.echo(f"{click.style(entry.id, fg='cyan')}{where} may")
        if permissions is None:
            click.echo("  everything: it is Python, and nothing is said of it")
            continue
        for key in KEYS:
            words = printable(_in_words(key, getattr(permissions, key)))
            click.echo(f"  {key:<5}  {words}")


def _in_words(key: str, patterns: list[str]) -> str:
    words = ["its own"] if key == "hosts" else []
    for one in patterns:
        if key == "send" and one in (EVERYTHING, ANY_PID):
            words.append("any" if one == EVERYTHING else "any PID")
        else:
            words.append(one)
    return ", ".join(words) or "nothing"


def _entry_errors(manifest: Manifest) -> list[ManifestError]:
    found: dict[tuple[str, str], ManifestError] = {}
    for entry in manifest.entries.values():
        file = entry.file.relative_to(manifest.root).as_posix()
        for key, message in _errors(entry, manifest.root):
            error = ManifestError(file, entry.line, entry.id, key, message)
            # The errors of a source are told once, if several entries share it.
            found.setdefault(("" if key == "source" else entry.id + key, message), error)
    return list(found.values())


def _errors(entry: Entry, root: Path) -> Iterator[tuple[str, str]]:
    """What is wrong with the code of an entry: each error, and the key that it belongs to."""
    error = None
    if isinstance(entry, LuaEntry):
        for place, wrong in module_errors(entry).items():
            yield f"modules[{place}]", wrong
        if entry.source is not None:
            error = lua_source_error(entry, root)
    elif isinstance(entry, PythonEntry):
        if entry.source is not None:
            error = source_error(entry.source, entry.method, root)
        elif entry.python is not None and (message := reference_error(entry.python, root)):
            yield "python", message
    if error is not None:
        yield "source", error
