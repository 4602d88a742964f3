"""What is measured: the programs, how much of each is done, and what is to be reached."""

from dataclasses import KW_ONLY, dataclass


@dataclass(frozen=True)
class Program:
    """One work. `n` is what the fastest peers do of it; others do their share of that.

    Where `fixed`, all do n units, since the figure depends on how many there are.
    """

    name: str
    title: str
    unit: str
    n: int
    _: KW_ONLY
    says: str
    """What is done, for people."""
    step: int = 1  # n is a multiple of it
    fixed: bool = False
    function: str = ""
    quick: int = 0  # n with --quick, where it is fixed

    @property
    def bound(self):
        """Whether less is better."""
        return not self.unit.endswith("/s")

    def called(self):
        """The name of the function in a peer's file."""
        return self.function or self.name.replace("-", "_")

    def size(self, share, scale, quick=False):
        """How many units a peer does that has such a share, in a run on such a scale."""
        if self.fixed:
            return self.quick or self.n if quick else self.n
        return max(int(self.n * share * scale) // self.step, 1) * self.step

    def figure(self, n, result):
        """What a program has said, in the unit of this one."""
        match self.unit:
            case "bytes":
                return result["bytes"]
            case "s":
                return result["seconds"]
            case "ms":
                return result["seconds"] * 1000
            case _:
                return n / result["seconds"]


PROGRAMS = {
    program.name: program
    for program in [
        Program(
            "ping-pong",
            "Ping-pong",
            "round trips/s",
            400_000,
            says=(
                "Two send each other one small integer. One round trip is two messages and two "
                "switches."
            ),
        ),
        Program(
            "ping-pong-dict",
            "Ping-pong with a small dict",
            "round trips/s",
            300_000,
            says=(
                'The same with `{"task_id": 1, "value": 10, "s": "x"}`, of which the receiver of '
                "ours and of Erlang gets a copy of its own."
            ),
        ),
        Program(
            "ring",
            "Ring of 1,000",
            "hops/s",
            600_000,
            step=1000,
            says=(
                "A thousand in a ring, and one integer that each passes on, one more. A hop is "
                "one message and one switch."
            ),
        ),
        Program(
            "spawn",
            "Spawn, monitor, exit",
            "processes/s",
            200_000,
            step=1000,
            says="A thousand at a time are started, run to their end at once, and are heard of.",
        ),
        Program(
            "call",
            "Call and reply",
            "calls/s",
            200_000,
            says="A question, and its answer or a time-out of five seconds.",
        ),
        Program(
            "fan-in",
            "Fan-in from 100",
            "messages/s",
            100_000,
            fixed=True,
            quick=20_000,
            says="A hundred send to one, which receives all of it.",
        ),
        Program(
            "by-name",
            "Ping-pong by name",
            "round trips/s",
            400_000,
            says="Ping-pong, where one of the two is sent to by its registered name.",
        ),
        Program(
            "idle",
            "Memory of an idle process",
            "bytes",
            100_000,
            fixed=True,
            quick=20_000,
            says=(
                "Many are started and wait for a message: what the OS process has grown by, for "
                "each."
            ),
        ),
        Program(
            "million-idle",
            "A million idle processes",
            "s",
            1_000_000,
            fixed=True,
            function="idle",
            quick=100_000,
            says=(
                "A million of them, all alive at once: how long it takes until all wait, and what"
                " they take."
            ),
        ),
        Program(
            "cascade",
            "Linked cascade of 10,000",
            "ms",
            10_000,
            fixed=True,
            says=(
                "Ten thousand, each linked to the next. The last one fails: the time until the "
                "first one has ended."
            ),
        ),
        Program(
            "skynet",
            "Skynet: a tree of ten",
            "leaves/s",
            1_000_000,
            fixed=True,
            quick=100_000,
            says=(
                "One starts ten, each of which starts ten, until there are so many leaves; each "
                "leaf sends its number up, each node the sum."
            ),
        ),
        Program(
            "counting",
            "Savina: counting",
            "messages/s",
            1_000_000,
            step=1000,
            says=(
                "One sends messages to another, which counts them and says in the end how many "
                "came."
            ),
        ),
        Program(
            "fork-join",
            "Savina: fork-join throughput",
            "messages/s",
            600_000,
            step=60,
            says="One deals out messages to sixty, each of which computes a sine for each message.",
        ),
        Program(
            "thread-ring",
            "Savina: thread ring",
            "hops/s",
            600_000,
            says="A hundred in a ring, and a token that says how many hops are left.",
        ),
        Program(
            "chameneos",
            "Savina: chameneos",
            "meetings/s",
            100_000,
            says=(
                "A hundred ask a mall for a partner; the two that meet change their colours and "
                "ask again."
            ),
        ),
        Program(
            "philosophers",
            "Savina: dining philosophers",
            "meals/s",
            100_000,
            step=20,
            says="Twenty ask an arbitrator for two forks, and ask again when it says no.",
        ),
        Program(
            "bank",
            "Savina: bank transaction",
            "transfers/s",
            60_000,
            says=(
                "A teller has a thousand accounts transfer money: the one calls the other, and "
                "waits for its answer. A hundred transfers are under way at once."
            ),
        ),
    ]
}


@dataclass(frozen=True)
class Goal:
    """What a peer of ours is to reach in a program: so many times another's figure, or a figure.

    `field` is what is compared, if it is not the program's figure.
    """

    program: str
    limit: float
    other: str = ""
    ours: str = "ours"
    other_program: str = ""
    field: str = "figure"
    aim: float | None = None


GOALS = [
    *(
        goal
        for program in ("ping-pong", "ring")
        for goal in (
            Goal(program, 1.0, "erlang", aim=1.3),
            Goal(program, 9.0, "asyncio"),
            Goal(program, 6.0, "uvloop"),
            Goal(program, 0.45, "prototype", aim=0.6),
        )
    ),
    Goal("ping-pong-dict", 5.0, "asyncio"),
    Goal("spawn", 0.7, "erlang"),
    Goal("spawn", 3.0, "asyncio"),
    Goal("call", 4.0, "asyncio"),
    Goal("fan-in", 1.5, "asyncio"),
    Goal("by-name", 0.9, "ours", other_program="ping-pong"),
    Goal("idle", 1400),
    Goal("million-idle", 4.0),
    Goal("million-idle", 1.8e9, field="resident"),
    Goal("cascade", 1.5, "erlang"),
    # Before there was a compiled core, Lua did 1.72, 0.93 and 0.135 of what asyncio did in the same
    # minutes, and plain Python what stands here, less a twentieth that is noise.
    Goal("ping-pong", 2 * 1.72, "asyncio", "lua"),
    Goal("ping-pong-dict", 1.6 * 0.93, "asyncio", "lua"),
    Goal("spawn", 2 * 0.135, "asyncio", "lua"),
    Goal("ping-pong", 1.3 * 2.96, "asyncio", "plain"),
    Goal("ping-pong-dict", 0.95 * 2.03, "asyncio", "plain"),
    Goal("ring", 0.95 * 3.26, "asyncio", "plain"),
    Goal("spawn", 0.95 * 1.11, "asyncio", "plain"),
    Goal("call", 0.95 * 1.87, "asyncio", "plain"),
    Goal("fan-in", 0.95 * 0.463, "asyncio", "plain"),
    Goal("by-name", 0.95 * 2.75, "asyncio", "plain"),
    Goal("cascade", 2.9 / 0.95, "asyncio", "plain"),
    Goal("idle", 2400, ours="plain"),
]
