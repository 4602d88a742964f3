"""`procession run`: an app's services until a signal, or one entry until its end."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from procession.cli.logs import FORMATS, LEVELS, set_up_logs
from procession.cli.manifest import fail, report_and_exit
from procession.core.duration import parse_duration
from procession.core.errors import Error, Invalid
from procession.manifest.problem import ManifestErrors
from procession.manifest.resolve import start_order
from procession.node import Node

if TYPE_CHECKING:
    from procession.manifest.entry import ServiceEntry

log = logging.getLogger("procession.run")

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class _RunCommand(click.Command):
    """Tells DIR from the program's arguments: DIR stands before `-x`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        place = next((i for i, arg in enumerate(args) if arg.startswith(("-x", "--execute"))), None)
        if place is not None and not self._has_positional(args[:place]):
            args = [*args[:place], ".", *args[place:]]
        return super().parse_args(ctx, args)

    def _has_positional(self, args: list[str]) -> bool:
        takes_value = {
            name
            for option in self.params
            if isinstance(option, click.Option) and not option.is_flag
            for name in option.opts
        }
        words = iter(args)
        for word in words:
            if not word.startswith("-"):
                return True
            if word in takes_value:
                next(words, None)
        return False


def _duration(ctx: click.Context, param: click.Parameter, value: str) -> float:
    try:
        return parse_duration(value)
    except Invalid as error:
        raise click.BadParameter(str(error)) from None


@click.command(
    cls=_RunCommand,
    context_settings={"ignore_unknown_options": True},
    options_metavar="[DIR] [OPTIONS]",
)
@click.option("-x", "--execute", metavar="NS:NAME", help="Run this entry, then exit.")
@click.option("--host", metavar="NS:NAME", help="The host to run it on. Default: the first one.")
@click.option(
    "--grace",
    default="5s",
    show_default=True,
    callback=_duration,
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
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[ARGS]...")
def run(
    execute: str | None,
    host: str | None,
    grace: float,
    log_format: str,
    log_level: str,
    quiet_exits: bool,
    words: tuple[str, ...],
) -> None:
    """Run the app in DIR (default: here).

    Without -x, its auto_start services, until they end or SIGINT or SIGTERM comes. With -x, one
    entry with ARGS as its string arguments; exits with 0, with the integer that it returns, with
    1 for False, and with 1 and a message for an error. What follows `--` is always for the entry.

    A signal sends CANCEL to every process; what still runs when the grace is over is terminated.
    A second signal ends the grace.
    """
    directory, *args = words or (".",)
    set_up_logs(log_format, log_level)
    if execute is None and args:
        raise click.UsageError(f"unexpected argument {args[0]!r}: arguments go with -x")
    try:
        node = Node(Path(directory), grace=0, quiet_exits=quiet_exits)
        if execute is None:
            services = _services(node)
            code = asyncio.run(_run_services(node, services, grace))
        else:
            code = asyncio.run(_run_entry(node, execute, host, args, grace, quiet_exits))
    except ManifestErrors as errors:
        report_and_exit(errors)
    except Error as error:
        if log_format == "json":
            log.error(error.message, extra={"kind": error.kind})
            sys.exit(1)
        fail(error)
    sys.exit(code)


async def _run_entry(
    node: Node, entry: str, host: str | None, args: list[str], grace: float, quiet_exits: bool
) -> int:
    async with node:
        _stop_on_signals(node, grace)
        try:
            return exit_code(await node.exec(entry, host, *args))
        except Error as error:
            details = error.details if isinstance(error.details, dict) else {}
            if quiet_exits and "traceback" in details:  # else the log has it
                click.echo(details["traceback"], nl=False, err=True)
            what = f"{details['type']}: {error.message}" if "type" in details else error.message
            raise Invalid(f"{entry}: {what}") from None


def exit_code(result: Any) -> int:
    """The exit code for what an entry returned. SEMANTICS 14.4."""
    if result is False:
        return 1
    if isinstance(result, int) and result is not True:
        return min(result, 255)  # 256 would read as success
    return 0


def _services(node: Node) -> list[ServiceEntry]:
    order = start_order(node.manifest)
    wanted = {service.id for service in order if service.lifecycle.auto_start}
    for service in reversed(order):  # and whatever those require
        if service.id in wanted:
            wanted |= set(service.lifecycle.requires)
    services = [service for service in order if service.id in wanted]
    if not services:
        raise Invalid(
            "nothing to run: the app has no process.service with lifecycle.auto_start; "
            "run one entry with -x ns:name"
        )
    return services


async def _run_services(node: Node, services: list[ServiceEntry], grace: float) -> int:
    async with node:
        _stop_on_signals(node, grace)
        # One after the other: a process is there, and takes messages, once it is spawned.
        running = []
        for service in services:
            running.append(asyncio.create_task(_run_service(node, service)))
            await asyncio.sleep(0)
        return 0 if all(await asyncio.gather(*running)) else 1


async def _run_service(node: Node, service: ServiceEntry) -> bool:
    log.info("service %s started", service.id, extra={"service": service.id})
    try:
        await node.exec(service.process, service.host, *service.input)
    except Error as error:
        extra = {"service": service.id, "kind": error.kind}
        log.error("service %s failed: %s", service.id, error.message, extra=extra)
        return error.kind == "Terminated"
    log.info("service %s exited", service.id, extra={"service": service.id})
    return True


def _stop_on_signals(node: Node, grace: float) -> None:
    loop = asyncio.get_running_loop()
    stopping: list[asyncio.Task[None]] = []

    def stop(which: signal.Signals) -> None:
        log.info("%s: stopping", which.name, extra={"signal": which.name})
        stopping.append(loop.create_task(node.stop(0 if stopping else grace)))

    for which in _SIGNALS:
        loop.add_signal_handler(which, stop, which)
