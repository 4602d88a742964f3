"""`procession run`: an app's services until a signal, or one entry until its end."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any, NoReturn

import click
import msgspec

from procession.cli.logs import FORMATS, LEVELS, hide_logs_while, set_up_logs
from procession.cli.output import errors_of, fail, no_entries
from procession.core.duration import parse_duration
from procession.core.errors import Canceled, Error, Invalid
from procession.core.printable import in_lines
from procession.entries import Entries
from procession.guests.failure import (
    describe,
    log_with_traceback,
    system_exit_of,
    traceback_of,
)
from procession.manifest.entry import HostEntry, ServiceEntry
from procession.node import Node
from procession.program import run_loop
from procession.signals import StopOnSignals

log = logging.getLogger("procession.run")

_DIGITS = 19
"""As many as a number of 64 bits can have."""


class _RunCommand(click.Command):
    """Tells DIR, our options and the words of the entry apart.

    DIR stands before `-x`. After it, our own options may still come; any other word is the
    entry's, and after `--` every word is.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        for place, arg in enumerate(args):
            if arg == "--":
                break
            if arg.startswith("-x") or arg.split("=")[0] == "--execute":
                return super().parse_args(ctx, self._sort_out(args, place))
        return super().parse_args(ctx, args)

    def _sort_out(self, args: list[str], place: int) -> list[str]:
        after = place + (2 if args[place] in ("-x", "--execute") else 1)
        if after > len(args):
            return args  # the reference is missing: click says so
        ours, directory = self._split(args[:place])
        execute, rest = args[place:after], args[after:]
        more, words = self._split(rest)
        return [*ours, *execute, *more, "--", *(directory or ["."]), *words]

    def _split(self, args: list[str]) -> tuple[list[str], list[str]]:
        """Our options with their values, and all else."""
        options = {name: o for o in self.params for name in o.opts if isinstance(o, click.Option)}
        flags = {name for name, option in options.items() if getattr(option, "is_flag", False)}
        flags |= {"-h", "--help"}
        ours: list[str] = []
        others: list[str] = []
        words = iter(args)
        for word in words:
            if word == "--":
                others += words
            elif word in flags or ("=" in word and word.split("=")[0] in options):
                ours.append(word)
            elif word in options:
                ours += [word, *([value] if (value := next(words, None)) is not None else [])]
            else:
                others.append(word)
        return ours, others


def _grace(ctx: click.Context, param: click.Parameter, value: str) -> float:
    try:
        grace = parse_duration(value)
    except Invalid as error:
        raise click.BadParameter(str(error)) from None
    if grace < 0:
        raise click.BadParameter("a grace is not negative")
    return grace


def _settings(
    ctx: click.Context, param: click.Parameter, values: tuple[str, ...]
) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    for value in values:
        name, separator, text = value.partition("=")
        if not separator or not name:
            raise click.BadParameter(f"{value!r:.100}: write NAME=VALUE, such as lua.state=own")
        is_number = text.isascii() and text.isdecimal()
        if is_number and len(text) > _DIGITS:
            raise click.BadParameter(f"{name!r:.100}: a number has no more than {_DIGITS} digits")
        settings[name] = int(text) if is_number else text
    return settings


@click.command(cls=_RunCommand, options_metavar="[DIR] [OPTIONS]")
@click.option("-x", "--execute", metavar="NS:NAME", help="Run this entry, then exit.")
@click.option("--host", metavar="NS:NAME", help="The host to run it on. Default: the first one.")
@click.option(
    "--no-services", is_flag=True, help="With -x: do not start the auto_start services first."
)
@click.option(
    "--grace",
    default="5s",
    show_default=True,
    callback=_grace,
    metavar="DURATION",
    help="How long processes may take to stop after SIGINT or SIGTERM.",
)
@click.option(
    "--log-format",
    type=click.Choice(FORMATS),
    default="text",
    show_default=True,
    help="Logs on stderr for people, or as a JSON object a line.",
)
@click.option("--log-level", type=click.Choice(LEVELS), default="info", show_default=True)
@click.option(
    "--quiet-exits",
    is_flag=True,
    help="Do not log the failure of a process that a monitor, link or caller took note of.",
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    callback=_settings,
    metavar="NAME=VALUE",
    help="Change an option of every host: step_limit=1s, lua.state=own, lua.compat=wippy.",
)
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[ARGS]...")
def run(
    execute: str | None,
    host: str | None,
    no_services: bool,
    grace: float,
    log_format: str,
    log_level: str,
    quiet_exits: bool,
    settings: dict[str, Any],
    words: tuple[str, ...],
) -> None:
    """Run an app: its services, or one entry.

    The app is in DIR (default: here). Its auto_start services run, until they end or SIGINT or
    SIGTERM comes. With -x, once they run so does one entry, with ARGS as its string arguments, and
    everything stops when it has ended; exits with 0, with the integer that it returns, with 1 for
    False, and with 1 and a message for an error. What follows `--` is always for the entry.

    A signal sends CANCEL to every process; what still runs when the grace is over is terminated.
    A second signal ends the grace; a third one ends everything at once. Exits with 1 if a service
    has failed for good, or had to be terminated.
    """
    directory, *args = words or (".",)
    if execute is None and args:
        raise click.UsageError(f"unexpected argument {args[0]!r}: arguments go with -x")
    if execute is None and no_services:
        raise click.UsageError("--no-services goes with -x")
    set_up_logs(log_format, log_level)
    try:
        node = Node(directory, quiet_exits=quiet_exits, settings=settings)
        if execute is not None:
            Entries(node.manifest).check_declared(execute)
        services = [] if no_services else _services_to_start(node)
        if execute is None and not services:
            raise _nothing_to_run(node)
        _hide_logs(node, None if execute is None else host or next(iter(_hosts(node)), None))
    except Error as error:
        if Path(directory).suffix == ".py" and Path(directory).is_file():
            error.message += f"; did you mean: procession run -x {Path(directory).stem}:main"
        _report(error, log_format)
    try:
        if execute is None:
            code = run_loop(_run_services(node, services, grace))
        else:
            code = run_loop(_run_entry(node, services, execute, host, args, grace))
    except Error as error:
        exit = system_exit_of(error) if execute is not None else None
        if exit is not None:
            raise exit from None
        trace = traceback_of(error)
        error.message = describe(error)
        if execute and execute not in error.message:
            error.message = f"{execute}: {error.message}"
        # What a caller took note of is not logged when exits are quiet, and the caller is us.
        _report(error, log_format, trace if quiet_exits else None)
    sys.exit(code)


def _hosts(node: Node) -> dict[str, HostEntry]:
    entries = node.manifest.entries
    return {id: entry for id, entry in entries.items() if isinstance(entry, HostEntry)}


def _hide_logs(node: Node, host: str | None) -> None:
    """Keep logs from the terminal while the programs of a host with `hide_logs` have it.

    Where -x has a program run on such a `host`, the rest of the run shows warnings and errors only.
    """
    hiding = [id for id, entry in _hosts(node).items() if entry.hide_logs]
    least = logging.WARNING if host in hiding else logging.NOTSET
    if hiding:
        hide_logs_while(lambda record: record.levelno < least or any(map(node.population, hiding)))


def _report(error: Error, log_format: str, trace: str | None = None) -> NoReturn:
    """Say why the run has failed, in the format of the logs, and exit with 1."""
    if log_format != "json":
        if trace:
            click.echo(in_lines(trace.rstrip()), err=True)
        fail(error)
    for one in errors_of(error):
        place = {} if isinstance(one, Error) else msgspec.structs.asdict(one)
        place.pop("message", None)
        log_with_traceback(log, logging.ERROR, str(one), trace, kind=error.kind, **place)
    sys.exit(1)


def exit_code(result: Any) -> int:
    """The exit code for what an entry returned. SEMANTICS 14.4."""
    if result is False:
        return 1
    if isinstance(result, int) and result is not True:
        return result % 256 or (255 if result else 0)  # 256 must not read as success
    return 0


async def _run_entry(
    node: Node, services: list[str], entry: str, host: str | None, args: list[str], grace: float
) -> int:
    async with StopOnSignals(node, grace, _tell, services_last=True) as stop:
        if services:
            node.check_entry(entry, host)  # a slip of the pen should not start a database
            await _start(node, services, entry, stop)
        code = exit_code(await node.exec(entry, host, *args))
    failed = any(service["error"] is not None for service in node.services())
    return code or int(failed)


async def _start(node: Node, services: list[str], entry: str, stop: StopOnSignals) -> None:
    """Wait until services run. Raises Error that says why the entry cannot be run then."""
    try:
        if not stop.requested:
            await node.start_services(services)
    except Error as error:
        if not stop.requested:
            error.message = f"{entry} was not run: {error.message}"
            raise
    if stop.requested:
        raise Canceled(f"{entry} was not run: {stop.requested[0].name} came before")


async def _run_services(node: Node, services: list[str], grace: float) -> int:
    async with StopOnSignals(node, grace, _tell) as stop:
        if stop.requested:
            return 0
        return 0 if await node.run_services(services) else 1


def _services_to_start(node: Node) -> list[str]:
    """Those with auto_start. They bring what they require."""
    services = [one for one in node.manifest.entries.values() if isinstance(one, ServiceEntry)]
    return [service.id for service in services if service.lifecycle.auto_start]


def _nothing_to_run(node: Node) -> Invalid:
    if not node.manifest.entries:
        return Invalid(f"nothing to run: {no_entries(node.manifest)}; run a function with -x")
    return Invalid(
        "nothing to run: the app has no process.service with lifecycle.auto_start; "
        "run one entry with -x ns:name"
    )


def _tell(text: str, name: str) -> None:
    log.info("%s", text, extra={"signal": name})
