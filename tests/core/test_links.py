"""What the end of a process with very many ties costs."""

import gc
from time import process_time

import pytest

from procession.core import links
from procession.core.errors import Internal
from procession.core.event import EXIT, Event


class Peer:
    """As much of a process as ties need."""

    away = False

    def __init__(self, number):
        self.pid = str(number)
        self.watcher = self.more_watchers = self.monitoring = self.links = None
        self.told = []

    def down(self, exit):
        self.told.append("down")

    link_down = down


def cost_of_an_end(tie, count):
    """The seconds of the processor that the end of a process with so many ties takes."""
    process, others = Peer(0), [Peer(number) for number in range(1, count + 1)]
    for other in others:
        tie(other, process)
    exit = Event(EXIT, process.pid, 0, None, Internal("it failed"))
    gc.disable()  # what it takes depends on all that there is
    try:
        began = process_time()
        assert links.sever(process, exit)
        spent = process_time() - began
    finally:
        gc.enable()
    assert all(other.told == ["down"] for other in others)
    return spent


@pytest.mark.parametrize("tie", [links.monitor, links.link])
def test_the_end_of_a_process_takes_a_time_in_proportion_to_its_ties(tie):
    few = min(cost_of_an_end(tie, 10_000) for _ in range(5))
    many = min(cost_of_an_end(tie, 160_000) for _ in range(2))
    assert many < 16 * few * 6  # by their square it would be 256 times as much
