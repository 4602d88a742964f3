"""`procession list`: what an app consists of."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from procession.cli.output import fail, no_entries, print_json
from procession.core.errors import Error
from procession.core.printable import printable
from procession.manifest.entry import HostEntry, PythonEntry, ServiceEntry, SupervisorEntry
from procession.manifest.loader import load_manifest

if TYPE_CHECKING:
    from procession.manifest.entry import Entry


@click.command("list")
@click.argument("directory", type=click.Path(path_type=Path), default=".", metavar="[DIR]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
def list_entries(directory: Path, as_json: bool) -> None:
    """List the entries of an app.

    Of the app in DIR (default: here): the id and kind of each, and what is behind it. JSON has
    everything that the manifest says.
    """
    try:
        manifest = load_manifest(directory)
    except Error as error:
        fail(error, as_json=as_json)
    entries = list(manifest.entries.values())
    if as_json:
        print_json([_as_data(entry, manifest.root) for entry in entries])
    elif not entries:
        click.echo(f"no entries: {no_entries(manifest)}", err=True)
    else:
        behind = [printable(_behind(entry, manifest.root)) for entry in entries]
        _print_table([(one.id, one.kind, what) for one, what in zip(entries, behind, strict=True)])


def _as_data(entry: Entry, root: Path) -> dict[str, Any]:
    fields = msgspec.structs.asdict(entry)
    file, line = fields.pop("file"), fields.pop("line")
    fields["defined"] = f"{file.relative_to(root).as_posix()}:{line}"
    if isinstance(entry, PythonEntry) and entry.python is not None:
        del fields["source"], fields["method"]
    elif isinstance(fields.get("source"), Path):
        fields["source"] = fields["source"].relative_to(root).as_posix()
    return fields


def _behind(entry: Entry, root: Path) -> str:
    if isinstance(entry, ServiceEntry):
        return f"{entry.process} on {entry.host}"
    if isinstance(entry, SupervisorEntry):
        return f"{entry.strategy}: {', '.join(child.id for child in entry.children)}"
    if isinstance(entry, HostEntry):
        most = entry.host.max_processes or "any number of"
        return f"{most} processes, mailboxes of {entry.host.mailbox}"
    if isinstance(entry, PythonEntry) and entry.python is not None:
        return entry.python
    return f"{entry.path.relative_to(root).as_posix()}:{entry.method}"


def _print_table(rows: list[tuple[str, str, str]]) -> None:
    header = ("id", "kind", "what")
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(2)]
    first, second, third = header
    click.echo(click.style(f"{first:<{widths[0]}}  {second:<{widths[1]}}  {third}", bold=True))
    for id, kind, what in rows:
        click.echo(f"{click.style(f'{id:<{widths[0]}}', fg='cyan')}  {kind:<{widths[1]}}  {what}")
