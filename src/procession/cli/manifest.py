"""Reading an app's manifest for a command: its errors are the user's to read, all at once."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NoReturn

import click
import msgspec

from procession.manifest.loader import load_manifest
from procession.manifest.problem import ManifestErrors

if TYPE_CHECKING:
    from pathlib import Path

    from procession.core.errors import Error
    from procession.manifest.loader import Manifest


def manifest_or_exit(directory: Path, *, as_json: bool = False) -> Manifest:
    """The manifest of an app; or its errors are printed and the command ends with 1."""
    try:
        return load_manifest(directory)
    except ManifestErrors as errors:
        report_and_exit(errors, as_json=as_json)


def report_and_exit(errors: ManifestErrors, *, as_json: bool = False) -> NoReturn:
    """Print every error of a manifest and end the command with 1."""
    if as_json:
        print_json({"ok": False, "errors": errors.details})
    else:
        for error in errors.errors:
            click.echo(click.style("error: ", fg="red", bold=True) + str(error), err=True)
        count = len(errors.errors)
        click.echo(f"{count} error{'s' if count > 1 else ''} in the manifest", err=True)
    sys.exit(1)


def fail(error: Error | str) -> NoReturn:
    """Print an error and end the command with 1."""
    click.echo(click.style("error: ", fg="red", bold=True) + str(error), err=True)
    sys.exit(1)


def print_json(value: object) -> None:
    """For programs: one JSON document on stdout."""
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())
