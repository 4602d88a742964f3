"""`procession check`: everything that is wrong with an app, without running any of it."""

from __future__ import annotations

from pathlib import Path

import click

from procession.cli.output import fail, print_json
from procession.core.errors import Error
from procession.guests.lua.guest import source_error as lua_source_error
from procession.guests.source import source_error
from procession.manifest.entry import Entry, LuaEntry, PythonEntry
from procession.manifest.loader import Manifest, inspect_manifest
from procession.manifest.problem import ManifestError, ManifestErrors


@click.command()
@click.argument("directory", type=click.Path(path_type=Path), default=".", metavar="[DIR]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
def check(directory: Path, as_json: bool) -> None:
    """Find the errors of an app.

    Checks the manifests in DIR (default: here), and that the sources compile and have their
    methods. Nothing is run. Prints all errors with file, line, entry and key, and exits with 1 if
    there are any.
    """
    try:
        manifest, errors = inspect_manifest(directory)
    except Error as error:
        fail(error, as_json=as_json)
    errors = [*errors, *_source_errors(manifest)]
    if errors:
        fail(ManifestErrors(errors), as_json=as_json)
    count = len(manifest.entries)
    if as_json:
        print_json({"ok": True, "entries": count})
    elif not count:
        click.echo("ok: no entries: no _index.yaml, _index.yml or _index.json in the app")
    else:
        click.echo(f"ok: {count} entr{'y' if count == 1 else 'ies'}")


def _source_errors(manifest: Manifest) -> list[ManifestError]:
    found: dict[str, ManifestError] = {}
    for entry in manifest.entries.values():
        message = _source_error(entry, manifest.root)
        if message is not None:  # told once, if several entries share a source
            file = entry.file.relative_to(manifest.root).as_posix()
            error = ManifestError(file, entry.line, entry.id, "source", message)
            found.setdefault(message, error)
    return list(found.values())


def _source_error(entry: Entry, root: Path) -> str | None:
    if isinstance(entry, LuaEntry):
        return lua_source_error(entry, root)
    if isinstance(entry, PythonEntry) and entry.source is not None:
        return source_error(entry.path, entry.method, root)
    return None
