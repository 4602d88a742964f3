"""`procession list`: what an app consists of."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from procession.cli.manifest import manifest_or_exit, print_json
from procession.manifest.entry import HostEntry, PythonEntry, ServiceEntry

if TYPE_CHECKING:
    from procession.manifest.entry import Entry


@click.command("list")
@click.argument("directory", type=click.Path(path_type=Path), default=".")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
def list_entries(directory: Path, as_json: bool) -> None:
    """List the entries of the app in DIRECTORY (default: here): id, kind, and what is behind it."""
    manifest = manifest_or_exit(directory, as_json=as_json)
    rows = [_describe(entry, manifest.root) for entry in manifest.entries.values()]
    if as_json:
        print_json(rows)
    elif not rows:
        click.echo("no entries: no _index.yaml, _index.yml or _index.json in the app", err=True)
    else:
        _print_table(rows)


def _describe(entry: Entry, root: Path) -> dict[str, Any]:
    row: dict[str, Any] = {
        "id": entry.id,
        "kind": entry.kind,
        "defined": f"{entry.file.relative_to(root).as_posix()}:{entry.line}",
    }
    if isinstance(entry, PythonEntry) and entry.python is not None:
        row["source"] = entry.python
    elif isinstance(entry, ServiceEntry):
        row |= {"process": entry.process, "host": entry.host}
    elif isinstance(entry, HostEntry):
        row["limits"] = {
            "max_processes": entry.host.max_processes,
            "mailbox": entry.host.mailbox,
        }
    else:
        row["source"] = f"{entry.path.relative_to(root).as_posix()}:{entry.method}"
    return row


def _print_table(rows: list[dict[str, Any]]) -> None:
    columns = ("id", "kind", "what")
    cells = [(row["id"], row["kind"], _what(row)) for row in rows]
    widths = [max(len(cell[i]) for cell in [columns, *cells]) for i in range(2)]
    header = f"{columns[0]:<{widths[0]}}  {columns[1]:<{widths[1]}}  {columns[2]}"
    click.echo(click.style(header, bold=True))
    for id, kind, what in cells:
        click.echo(f"{click.style(f'{id:<{widths[0]}}', fg='cyan')}  {kind:<{widths[1]}}  {what}")


def _what(row: dict[str, Any]) -> str:
    if "source" in row:
        return str(row["source"])
    if "process" in row:
        return f"{row['process']} on {row['host']}"
    limits = row["limits"]
    most = limits["max_processes"] or "any number of"
    return f"{most} processes, mailboxes of {limits['mailbox']}"
