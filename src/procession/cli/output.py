"""What commands print: errors on stderr, JSON for programs, colour only where it is wanted."""

from __future__ import annotations

import json
import re
import sys
from typing import TYPE_CHECKING, NoReturn

import click
import msgspec

from procession.core.printable import printable
from procession.manifest.files import FILE_NAMES
from procession.manifest.problem import ManifestError, ManifestErrors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from procession.core.errors import Error
    from procession.manifest.loader import Manifest


_INVISIBLE = re.compile("[\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")
"""What JSON would leave as it is, and a terminal or an editor would not."""


def fail(error: Error, *, as_json: bool = False, **more: object) -> NoReturn:
    """Print an error, or each one of a manifest, and end the command with 1.

    `more` is what the JSON says besides.
    """
    errors = errors_of(error)
    if as_json:
        data = error.details if isinstance(error, ManifestErrors) else [error.to_dict()]
        print_json({"ok": False, "errors": data, **more})
    else:
        for one in errors:
            text = printable(str(one))
            click.echo(click.style("error: ", fg="red", bold=True) + text, err=True)
        if isinstance(error, ManifestErrors):
            click.echo(f"{len(errors)} error{'s' if len(errors) > 1 else ''}", err=True)
    sys.exit(1)


def errors_of(error: Error) -> Sequence[Error | ManifestError]:
    """Each error of a manifest; or any other error, alone."""
    return error.errors if isinstance(error, ManifestErrors) else [error]


def no_entries(manifest: Manifest) -> str:
    """Why there are none."""
    if manifest.files:
        return "its manifest has no entries"
    return f"there is no manifest: no {', '.join(FILE_NAMES[:-1])} or {FILE_NAMES[-1]} in the app"


def print_json(value: object) -> None:
    """For programs: one JSON document on stdout."""
    text = msgspec.json.encode(value, enc_hook=str)
    formatted = msgspec.json.format(text, indent=2).decode()
    click.echo(_INVISIBLE.sub(lambda found: json.dumps(found[0])[1:-1], formatted))
