"""What is measured: the programs, how much of each is done, and what is to be reached."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Program:
    """One work. `n` is what the fastest peers do of it; others do their share of that.

    Where `fixed`, all do n units, since the figure depends on how many there are.
    """

    name: str
    title: str
    unit: str
    n: int
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
        Program("ping-pong", "Ping-pong", "round trips/s", 400_000),
        Program("ping-pong-dict", "Ping-pong with a small dict", "round trips/s", 300_000),
        Program("ring", "Ring of 1,000", "hops/s", 600_000, step=1000),
        Program("spawn", "Spawn, monitor, exit", "processes/s", 200_000, step=1000),
        Program("call", "Call and reply", "calls/s", 200_000),
        Program("fan-in", "Fan-in from 100", "messages/s", 600_000, step=100),
        Program("by-name", "Ping-pong by name", "round trips/s", 400_000),
        Program("idle", "Memory of an idle process", "bytes", 100_000, fixed=True, quick=20_000),
        Program(
            "million-idle",
            "A million idle processes",
            "s",
            1_000_000,
            fixed=True,
            function="idle",
            quick=100_000,
        ),
        Program("cascade", "Linked cascade of 10,000", "ms", 10_000, fixed=True),
        Program(
            "skynet", "Skynet: a tree of ten", "leaves/s", 1_000_000, fixed=True, quick=100_000
        ),
        Program("counting", "Savina: counting", "messages/s", 1_000_000, step=1000),
        Program("fork-join", "Savina: fork-join throughput", "messages/s", 600_000, step=60),
        Program("thread-ring", "Savina: thread ring", "hops/s", 600_000),
        Program("chameneos", "Savina: chameneos", "meetings/s", 100_000),
        Program("philosophers", "Savina: dining philosophers", "meals/s", 100_000, step=20),
        Program("bank", "Savina: bank transaction", "transfers/s", 60_000),
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
]
