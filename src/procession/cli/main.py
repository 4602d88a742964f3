"""The `procession` command."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from typing import Any

import click

from procession.cli.check import check
from procession.cli.list import list_entries
from procession.cli.run import run
from procession.compiled import core


class _Commands(click.Group):
    """Says what is wrong with the output, where it cannot be written."""

    def main(self, *args: Any, **more: Any) -> Any:
        """Run a command. What it has printed is written when this returns, or it has failed."""
        _open_what_is_closed()
        try:
            try:
                return super().main(*args, **more)
            finally:
                sys.stdout.flush()
        except OSError as error:
            if error.filename is not None:
                raise
            if error.errno != errno.EPIPE:
                with suppress(OSError):
                    click.echo(f"error: cannot write the output: {error.strerror}", err=True)
            before = error.__context__
            sys.exit(before.code if isinstance(before, SystemExit) and before.code else 1)
        finally:
            for stream in (sys.stdout, sys.stderr):
                _drop_what_cannot_be_written(stream)


def _open_what_is_closed() -> None:
    """Give a program that was started without stdin, stdout or stderr some that lead nowhere.

    Else a socket would get their number, and whatever is written there without a question.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115 (as long as we live)


def _drop_what_cannot_be_written(stream: Any) -> None:
    """The interpreter would try again when it ends, and end with a code and a text of its own."""
    try:
        stream.flush()
    except OSError:
        with suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="procession", message=f"%(prog)s %(version)s (core: {core()})")
@click.pass_context
def main(context: click.Context) -> None:
    """Run apps made of processes: isolated, cheap, watched and linked."""
    if "NO_COLOR" in os.environ:
        context.color = False


main.add_command(run)
main.add_command(list_entries)
main.add_command(check)
