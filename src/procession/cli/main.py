"""The `procession` command."""

from __future__ import annotations

import os

import click

from procession.cli.check import check
from procession.cli.list import list_entries
from procession.cli.run import run


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="procession")
@click.pass_context
def main(context: click.Context) -> None:
    """Run apps made of processes: isolated, cheap, watched and linked."""
    if "NO_COLOR" in os.environ:
        context.color = False


main.add_command(run)
main.add_command(list_entries)
main.add_command(check)
