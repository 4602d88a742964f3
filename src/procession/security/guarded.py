"""The kernel of a closed app: before it does something for a process, it looks whether that may.

Every verb by which a process reaches another one, or a name, is here; what is not is about the
process itself, or an answer to who has asked. The kernel of an open app has none of this, and so
does not pay for it. See permissions.py for the rules.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from procession.core.kernel import Kernel
from procession.core.pid import parse_pid

if TYPE_CHECKING:
    from procession.core.message import ReplyTo
    from procession.core.peer import Peer
    from procession.core.process import Process
    from procession.security.permissions import Policy, Rules

START_CHILD = "supervisor.start_child"
"""The topic of a request to start what the asker names: see `procession.supervision.requests`."""


class GuardedKernel(Kernel):
    """A kernel with a policy. The caller None is the program around the node: it may do all."""

    def __init__(self, policy: Policy, **options: Any) -> None:
        super().__init__(**options)
        self._policy = policy
        self.known = policy.known

    def rules_of(self, process: Process | None) -> Rules | None:
        """What a process may do; None: everything."""
        return None if process is None else self._policy.rules_of(process)

    def check_send(self, caller: Process | None, dest: object, verb: str = "send to") -> None:
        """Raise PermissionDenied unless a process may do something to another one."""
        if caller is None:
            return
        try:
            rules = self.known[caller.entry, caller.host]
        except KeyError:
            rules = self._policy.rules_of(caller)
        if rules is None or rules.sends_to_all:
            return
        if type(dest) is not str or dest not in rules.known_dests:
            rules.check_send(caller, dest, verb)

    def spawn(
        self,
        caller: Process | None,
        entry: Any,
        host_id: str | None,
        args: tuple[Any, ...],
        linked: bool = False,
        monitored: bool = False,
        name: str | None = None,
        *more: Any,
        **others: Any,
    ) -> Peer:
        """Start a process."""
        rules = self.rules_of(caller)
        if rules is not None:
            assert caller is not None
            rules.check_start(caller, entry, host_id, name)
        return Kernel.spawn(
            self, caller, entry, host_id, args, linked, monitored, name, *more, **others
        )

    def upgrade(self, caller: Process, entry: Any, args: tuple[Any, ...]) -> Any:
        """Go on as another program."""
        rules = self.rules_of(caller)
        if rules is not None:
            rules.check_start(caller, entry, None, None)
        return super().upgrade(caller, entry, args)

    def post(
        self,
        caller: Process | None,
        dest: str,
        topic: str,
        payload: Any,
        reply_to: ReplyTo | None = None,
    ) -> Peer:
        """Deliver a message."""
        if caller is not None:
            self.check_send(caller, dest)
            if reply_to is not None and topic == START_CHILD:
                dest = self._check_child(caller, dest, payload)
        return Kernel.post(self, caller, dest, topic, payload, reply_to)

    async def call(
        self, caller: Process | None, dest: str, topic: str, payload: Any, timeout: float | None
    ) -> Any:
        """Send a message and wait for the reply. What is refused is refused when it is awaited."""
        self.check_send(caller, dest, "call")
        return await Kernel.call(self, caller, dest, topic, payload, timeout)

    def monitor(self, caller: Process, dest: str) -> None:
        """Be told of an end, and of the result."""
        self.check_send(caller, dest, "monitor")
        super().monitor(caller, dest)

    def link(self, caller: Process, dest: str) -> None:
        """Tie two processes: the failure of one ends the other."""
        self.check_send(caller, dest, "link to")
        super().link(caller, dest)

    def cancel(
        self,
        caller: Process | None,
        dest: str,
        reason: str | None,
        deadline: float | None,
        *,
        or_end: bool = False,
    ) -> None:
        """Ask a process to stop."""
        self.check_send(caller, dest, "cancel")
        super().cancel(caller, dest, reason, deadline, or_end=or_end)

    def terminate(self, caller: Process | None, dest: str, cleanup: float | None = None) -> None:
        """End a process."""
        self.check_send(caller, dest, "terminate")
        super().terminate(caller, dest, cleanup)

    def register(self, caller: Process | None, name: str, dest: str | None) -> None:
        """Give a name to a process."""
        rules = self.rules_of(caller)
        if rules is not None:
            rules.check_name(name, "register the name")
            if dest is not None:
                self.check_send(caller, dest, "give a name to")
        super().register(caller, name, dest)

    def unregister(self, caller: Process | None, name: str) -> bool:
        """Free a name."""
        rules = self.rules_of(caller)
        if rules is not None:
            rules.check_name(name, "free the name")
        return super().unregister(caller, name)

    def lookup(self, caller: Process | None, name: str) -> Peer:
        """The owner of a name."""
        rules = self.rules_of(caller)
        if rules is not None:
            rules.check_lookup(name)
        return super().lookup(caller, name)

    async def await_name(self, caller: Process | None, name: str, timeout: float | None) -> Peer:
        """Wait until a name has an owner."""
        rules = self.rules_of(caller)
        if rules is not None:
            rules.check_lookup(name)
        return await super().await_name(caller, name, timeout)

    def _check_child(self, caller: Process, dest: str, payload: Any) -> str:
        """To have a supervisor start something. Gives the PID of the supervisor.

        Asked as the request is sent, and not before it waits for the name of a supervisor that is
        being restarted: nobody knows before on what host that will be.
        """
        target = self.resolve(dest)
        rules = self.rules_of(caller)
        if rules is not None and isinstance(payload, dict):
            parsed = parse_pid(target.pid)
            host = payload.get("host") or (None if parsed is None else parsed.host)
            rules.check_start(caller, payload.get("entry"), host, payload.get("name"))
        return target.pid
