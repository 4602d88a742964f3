"""`procession check`: everything that is wrong with an app, without running any of it."""

from __future__ import annotations

from pathlib import Path

import click

from procession.cli.manifest import manifest_or_exit, print_json, report_and_exit
from procession.guests.source import syntax_error
from procession.manifest.entry import PythonEntry
from procession.manifest.problem import ManifestError, ManifestErrors


@click.command()
@click.argument("directory", type=click.Path(path_type=Path), default=".")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
def check(directory: Path, as_json: bool) -> None:
    """Check the manifests of the app in DIRECTORY (default: here), and that its sources compile.

    Prints all errors with file, line, entry and key, and exits with 1 if there are any.
    """
    manifest = manifest_or_exit(directory, as_json=as_json)
    errors = []
    for entry in manifest.entries.values():
        if isinstance(entry, PythonEntry) and entry.python is None:
            message = syntax_error(entry.path, manifest.root)
            if message is not None:
                file = entry.file.relative_to(manifest.root).as_posix()
                errors.append(ManifestError(file, entry.line, entry.id, "source", message))
    if errors:
        report_and_exit(ManifestErrors(errors), as_json=as_json)
    if as_json:
        print_json({"ok": True, "entries": len(manifest.entries)})
    else:
        count = len(manifest.entries)
        click.echo(f"ok: {count} entr{'y' if count == 1 else 'ies'}")
