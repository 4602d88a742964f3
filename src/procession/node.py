"""A node: manifest in, running processes out. The one file that knows every room.

async with Node("apps/shop") as node:
    pid = node.spawn("shop:cart", None, user_id)
    total = await node.call(pid, "total", None)
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import math
import random
import sys
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from procession.core.call import Waiting
from procession.core.duration import Duration, seconds
from procession.core.errors import Invalid, NotFound
from procession.core.host import Host, no_host
from procession.core.kernel import Kernel
from procession.core.order import SpawnOrder
from procession.core.process import current_process, terminated
from procession.entries import Entries
from procession.guests.failure import log_failure
from procession.guests.lua.guest import LuaGuest
from procession.guests.python_guest import PythonGuest
from procession.hosts.inline import InlineDriver
from procession.hosts.os_workers import OsWorkers
from procession.manifest.entry import HostEntry, HostOptions, change_host
from procession.manifest.loader import Manifest, load_manifest, with_settings
from procession.security.guarded import GuardedKernel
from procession.security.permissions import OPEN, Policy, is_closed, is_open
from procession.supervision import shutdown
from procession.supervision.keeper import Keeper
from procession.supervision.supervisor import supervised

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from procession.core.peer import Peer
    from procession.process import Entry

log = logging.getLogger("procession.process")

_serials = count(1)
"""Of all nodes in this OS process, so that a PID of one is nobody in the others."""

DEFAULT_HOST = "app:processes"
"""The host of an app whose manifest declares none."""


class Node:
    """The processes of one event loop.

    `app` is the folder of an app: its manifests are read, and its Python modules can be imported.
    `grace` is how long processes may take to stop, once asked, when the node stops (SEMANTICS
    10.1); none by default. With `quiet_exits`, a process that fails is not logged when a monitor,
    link or caller took note of it. `settings` changes options of every host, by name:
    `{"lua.compat": "wippy", "mailbox": 1000}`. All methods belong to the thread of the loop.
    """

    def __init__(
        self,
        app: str | Path | None = None,
        *,
        grace: Duration = 0,
        quiet_exits: bool = False,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        manifest = Manifest(_working_directory(), {}) if app is None else load_manifest(Path(app))
        self._app = app
        self._settings = settings or {}
        self.manifest = with_settings(manifest, self._settings)
        self._grace = seconds(grace)
        self._quiet_exits = quiet_exits
        self._is_closed = is_closed(self.manifest)
        self._entries = Entries(self.manifest)
        self._driver: InlineDriver | None = None
        self._guest: PythonGuest | None = None
        self._lua: LuaGuest | None = None
        self._workers: OsWorkers | None = None
        self._services: Keeper | None = None
        self._executed: dict[str, Peer] = {}
        self._stop_until = math.inf
        self._others_do: set[str] = set()
        """When it stops: whose supervisors, in other OS processes, will stop them."""

    # -- life --------------------------------------------------------------------------------

    async def start(self) -> None:
        """Be ready to spawn. A node that was stopped may start again, with new processes."""
        if self._driver is not None:
            self._driver.check_caller()
            raise Invalid("the node is running already")
        loop = asyncio.get_running_loop()
        self._guest = guest = PythonGuest(loop, contextvars.copy_context())
        self._driver = driver = InlineDriver(
            loop,
            guest.adopt,
            self._entries.load,
            self._entries.check_declared,
            partial(log_failure, self._quiet_exits),
            _serials,
            partial(GuardedKernel, Policy(self.manifest)) if self._is_closed else Kernel,
        )
        self._lua = LuaGuest(
            self.manifest.root, self._entries.in_lua, self._host_options, self.manifest.entries.get
        )
        self._lua.kernel = driver.kernel
        self._entries.python, self._entries.lua = guest, self._lua
        self._stop_until = math.inf
        self._down: asyncio.Future[None] = loop.create_future()
        self._services = Keeper(driver.kernel, self.manifest, random.random)
        sys.path.insert(0, str(self.manifest.root))
        try:
            self.make_hosts(driver)
            if self._workers is not None:
                await self._workers.ready()
        except BaseException:
            self._close(driver, guest)
            raise
        self._default_host = next(iter(driver.kernel.hosts))
        self._tell_open()

    def _tell_open(self) -> None:
        """Say that nothing is forbidden to the Lua programs of the app, if that is so."""
        if is_open(self.manifest):
            logging.getLogger("procession.security").info("%s", OPEN)

    def make_hosts(self, driver: InlineDriver) -> None:
        """Create the hosts, and the workers of those that have some."""
        entries = [one for one in self.manifest.entries.values() if isinstance(one, HostEntry)]
        for id in [entry.id for entry in entries] or [DEFAULT_HOST]:
            options = self._host_options(id)
            host = Host(id, **options.limits)
            driver.kernel.hosts[id] = host
            if options.os_workers:
                if self._workers is None:
                    config = {
                        "app": None if self._app is None else str(self.manifest.root),
                        "settings": dict(self._settings),
                        "quiet_exits": self._quiet_exits,
                    }
                    self._workers = OsWorkers(driver, config, self._entries.addressed)
                self._workers.add(
                    host, options.os_workers, options.step_limit, options.worker_memory
                )

    async def stop(
        self, grace: Duration | None = None, *, before_services: Duration | None = None
    ) -> None:
        """End all processes: CANCEL, then, when the grace is over, terminate. Then be stopped.

        The grace is for all of it: the last part of it is for the clean-up of those that have to
        be terminated, as long as the `cleanup` of their host, but no more than half. Without a
        grace they are terminated at once, and have the `cleanup` of their host.

        Services come first, each after those that require it. The others get CANCEL after them,
        children of supervisors from these. What is not tied to a service by monitors or links
        may take `before_services` before they get it. A second call cuts the first one short.
        """
        driver, guest = self._driver, self._guest
        if driver is None or guest is None:
            return
        driver.check_caller()
        kernel = driver.kernel
        caller = current_process.get(None)
        if caller is not None and caller.alive and caller.kernel is kernel:
            raise Invalid("a process cannot wait for the end of its own node")
        patience = self._grace if grace is None else seconds(grace)
        for host in kernel.hosts.values():
            host.stop()
        drained = shutdown.Drained(kernel.local_processes())
        waits: list[asyncio.Future[None]] = [drained.future]
        clock = kernel.scheduler.clock.monotonic
        keeper, entries = self._keeper, self.manifest.entries
        if before_services is not None and keeper.at_rest:
            patience = min(patience, seconds(before_services))
        self._stop_until = min(self._stop_until, clock() + patience)
        asked = False
        try:
            if before_services is not None and not keeper.at_rest:
                self.hold_services()
                limit = seconds(before_services)
                others_do = await shutdown.all_supervised(kernel, self._workers, entries, limit)
                await shutdown.end_before_services(
                    kernel, keeper, self._executed, others_do, limit, self._down
                )
                patience = max(0.0, self._stop_until - clock())
            keeper.halt(patience)
            if patience > 0 and not keeper.at_rest:
                resting = asyncio.ensure_future(keeper.rest())
                await asyncio.wait([resting], timeout=patience)
                resting.cancel()
                patience = max(0.0, self._stop_until - clock())
            others_do = await shutdown.all_supervised(kernel, self._workers, entries, patience)
            others_do |= self._others_do
            if self._workers is not None:
                patience = max(0.0, self._stop_until - clock())
                waits.append(asyncio.ensure_future(self._workers.stop(patience, others_do)))
            if patience > 0:
                shutdown.ask_to_stop(kernel, kernel.local_processes(), others_do, patience)
                asked = True
                await asyncio.wait(waits, timeout=patience)
        finally:
            # Who was asked has had the time; who was not has what its host gives to clean up.
            cleanup = max(0.0, self._stop_until - clock()) if asked else None
            for process in kernel.local_processes():
                process.doom(terminated(), cleanup)
            if len(waits) > 1:
                await asyncio.shield(waits[1])
            # The caller may be cancelled here; the rest is done all the same.
            drained.future.add_done_callback(lambda _: self._close(driver, guest))
            await asyncio.shield(drained.future)
            await asyncio.sleep(0)  # the tasks of the processes see their cancellation

    def supervised(self) -> set[str]:
        """The PIDs of all, here or elsewhere, whose supervisor is in this OS process."""
        return supervised(self._kernel.local_processes(), self.manifest.entries)

    def _close(self, driver: InlineDriver, guest: PythonGuest) -> None:
        if self._driver is driver:  # else another call of `stop` was faster
            self._keeper.abandon()
            self._down.set_result(None)
            self._driver = self._guest = None
            if self._workers is not None:
                self._workers.close()
                self._workers = None
            driver.close()
            guest.close()
            if self._lua is not None:
                self._lua.close()
                self._lua = None
            sys.path.remove(str(self.manifest.root))

    async def __aenter__(self) -> Node:
        await self.start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.stop()

    # -- what a process can do, from outside ---------------------------------------------------

    def spawn(
        self, entry: Entry, host: str | None = None, /, *args: Any, name: str | None = None
    ) -> str:
        """Start a process and return its PID. See `procession.process.spawn`.

        `host` None means the first host of the manifest.
        """
        return self._kernel.spawn(None, entry, host or self._default_host, args, name=name).pid

    async def exec(
        self, entry: Entry, host: str | None = None, /, *args: Any, name: str | None = None
    ) -> Any:
        """Spawn a process, wait for its end and return its result; its error is raised."""
        host = host or self._default_host
        return await self._kernel.execute(None, entry, host, args, name, among=self._executed)

    def check_entry(self, entry: Entry, host: str | None = None, /) -> None:
        """Raise what `exec` would raise before anything is run: of its host, of its entry."""
        if host is not None and host not in self._kernel.hosts:
            no_host(host, self._kernel.hosts)
        self._entries.addressed(SpawnOrder(entry, host or self._default_host, to_execute=True))

    async def _exec_main(self, entry: Entry, args: tuple[Any, ...]) -> Any:
        """`exec` for the main of the program: SystemExit if that has called `sys.exit(0)`."""
        kernel = self._kernel
        process = kernel.spawn(None, entry, self._default_host, args, to_execute=True)
        result = await Waiting(kernel.scheduler, process).run()
        exit = getattr(process, "system_exit", None)  # a process in Lua has none
        if exit is not None:
            raise exit
        return result

    def send(self, dest: str, topic: str, /, *payload: Any) -> Literal[True]:
        """Send a message that no process sent. See `procession.process.send`."""
        self._kernel.send(None, dest, topic, payload)
        return True

    async def call(
        self, dest: str, topic: str, payload: Any = None, /, timeout: Duration | None = "5s"
    ) -> Any:
        """Send a message and wait for the reply. See `procession.process.call`."""
        limit = None if timeout is None else seconds(timeout)
        return await self._kernel.call(None, dest, topic, payload, limit)

    async def wait(self, dest: str, /) -> Any:
        """Wait for the end of a process, return its result. See `procession.process.exec`.

        Raises NotFound if it is dead already.
        """
        return await self._kernel.wait(dest)

    def cancel(
        self, dest: str, /, reason: str | None = None, deadline: Duration | None = None
    ) -> Literal[True]:
        """Ask a process to stop. See `procession.process.cancel`."""
        limit = None if deadline is None else seconds(deadline)
        self._kernel.cancel(None, dest, reason, limit)
        return True

    def terminate(self, dest: str, /) -> Literal[True]:
        """End a process at its next wait. See `procession.process.terminate`."""
        self._kernel.terminate(None, dest)
        return True

    def lookup(self, name: str, /) -> str:
        """The PID of the owner of a name. Raises NotFound."""
        return self._kernel.lookup(None, name).pid

    # -- services ------------------------------------------------------------------------------

    async def start_service(self, id: str, /) -> None:
        """Start a service after all that it requires, and wait until it runs, or has exited.

        Raises its error if it fails for good, NotFound, Conflict while it is being stopped.
        """
        await self._keeper.start_one(id)

    async def start_services(self, ids: Iterable[str], /) -> None:
        """Start services after all that they require, and wait until all run, or have exited.

        Raises Unavailable that names the first one that fails for good, NotFound, Conflict for
        one that is being stopped, Canceled if they are stopped meanwhile.
        """
        await self._keeper.start_all(ids)

    async def stop_service(self, id: str, /) -> None:
        """Stop a service after all that require it, and wait until they have ended."""
        await self._keeper.stop_one(id)

    async def run_services(self, ids: Iterable[str], /) -> bool:
        """Start services and what they require, and wait until all of them have come to rest.

        True if none has failed or had to be terminated.
        """
        return await self._keeper.run(ids)

    def hold_services(self) -> None:
        """Start no service any more, nor again. A signal handler may call it."""
        if self._services is not None:
            self._services.held = True

    @property
    def _keeper(self) -> Keeper:
        assert self._kernel is not None  # raises Invalid unless it runs
        assert self._services is not None
        return self._services

    # -- what can be seen ----------------------------------------------------------------------

    def processes(self) -> list[dict[str, Any]]:
        """Every process in this OS process: its pid, entry, host, state, names, mailbox, ties."""
        return [process.statistics() for process in self._kernel.local_processes()]

    async def all_processes(self, timeout: Duration = "5s") -> list[dict[str, Any]]:
        """Every process of the node, also those in workers, which are asked.

        A worker that does not answer in time is left out, and named in the log.
        """
        found, workers = self.processes(), self._workers
        if workers is not None:
            answers = await workers.ask_all("processes", seconds(timeout))
            for worker in workers.statistics():  # none, if the node has stopped meanwhile
                processes = answers.get(worker["place"])
                if processes is not None:
                    found += processes
                elif worker["processes"] or worker["place"] in answers:
                    log.warning(
                        "OS process %s of %s does not say what runs in it",
                        worker["os_pid"],
                        worker["host"],
                        extra={"host": worker["host"], "os_pid": worker["os_pid"]},
                    )
        return found

    def workers(self) -> list[dict[str, Any]]:
        """Every OS process of the hosts with `os_workers`: its host, os_pid, state, processes."""
        return [] if self._workers is None else self._workers.statistics()

    def services(self) -> list[dict[str, Any]]:
        """Every service of the manifest: its id, state, pid, attempts (to restart), last error.

        Of a node that has stopped: as it left them.
        """
        return (self._services or self._keeper).statistics()

    def population(self, host: str, /) -> int:
        """How many processes a host has: none if the node does not run. Any thread may ask."""
        found = None if self._driver is None else self._driver.kernel.hosts.get(host)
        return 0 if found is None else found.population

    def statistics(self) -> dict[str, int]:
        """How much there is of what, now. `processes` counts those in workers as well."""
        counts = self._kernel.statistics()
        if self._workers is not None:
            counts["processes"] += self._workers.population
        return counts

    def __repr__(self) -> str:
        running = self._driver is not None
        state = f"{self.statistics()['processes']} processes" if running else "stopped"
        return f"<Node {self.manifest.root}: {state}>"

    # -- inside --------------------------------------------------------------------------------

    @property
    def _kernel(self) -> Kernel:
        if self._driver is None:
            raise Invalid("the node is not running: use `async with Node(...) as node`")
        self._driver.check_caller()
        return self._driver.kernel

    def _host_options(self, host_id: str) -> HostOptions:
        entry = self.manifest.entries.get(host_id)
        if isinstance(entry, HostEntry):
            return entry.host
        options = HostOptions()
        for name, value in self._settings.items():
            options = change_host(options, name, value)
        return options


def _working_directory() -> Path:
    try:
        return Path.cwd().resolve()
    except FileNotFoundError:
        raise NotFound("the working directory, where the app would be, has been deleted") from None
