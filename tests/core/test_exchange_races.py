"""Single races between places, each of which went wrong once: see test_exchange.py for all."""

import pytest
from tests.core.places import ACTOR, BROKEN, HOST, TOO_LONG, Network, Observer

from procession.core.errors import AlreadyExists, Invalid, LimitExceeded, NotFound
from procession.core.event import EXIT, LINK_DOWN
from procession.core.frames import PARENT

NAME = "one"


class Notes(Observer):
    """The events of each process."""

    def __init__(self):
        self.events = {}

    def event(self, actor, event):
        self.events.setdefault(actor.pid, []).append(event)


class Scene:
    """Three places, each with a process that traps links."""

    def __init__(self, limit=4):
        self.notes = Notes()
        self.network = Network(3, limit, observer=self.notes)
        self.actors = []
        for place in self.network.places.values():
            actor = place.kernel.spawn(None, ACTOR, HOST, ())
            actor.trap_links = True
            self.actors.append(actor)
            place.run()

    def spawn(self, here, there, entry=ACTOR, **options):
        """The PID of a process that one place starts in another, where it has not heard of it."""
        place = self.network.places[here]
        place.target = there
        args = options.pop("args", ())
        return place.kernel.spawn(self.actors[here], entry, HOST, args, **options).pid

    def heard(self, place):
        self.network.deliver_all()
        return [(event.kind, event.error) for event in self.notes.events[self.actors[place].pid]]


@pytest.fixture
def scene():
    return Scene()


def not_found(pid):
    return NotFound(f"process not found: {pid}")


@pytest.mark.semantics("9.1", "9.2", "9.7")
def test_ties_to_a_process_that_cannot_be_started_end_also_if_they_came_before_its_spawn(scene):
    pid = scene.spawn(1, 2, BROKEN)
    kernel = scene.network.places[0].kernel
    kernel.monitor(scene.actors[0], pid)
    kernel.link(scene.actors[0], pid)
    scene.network.deliver(0, 2, 2)
    assert scene.heard(0) == [(EXIT, not_found(pid)), (LINK_DOWN, not_found(pid))]


@pytest.mark.semantics("9.7")
def test_ties_to_a_process_whose_spawn_was_lost_with_its_creator_end(scene):
    pid = scene.spawn(1, 2)
    kernel = scene.network.places[0].kernel
    kernel.monitor(scene.actors[0], pid)
    kernel.link(scene.actors[0], pid)
    scene.network.deliver(0, 2, 2)
    scene.network.lose(1, lambda count: 0)
    assert scene.heard(0) == [(EXIT, not_found(pid)), (LINK_DOWN, not_found(pid))]


@pytest.mark.semantics("8.4")
def test_the_exit_of_a_peer_that_was_linked_first_and_then_monitored_comes_first(scene):
    one, other = scene.actors[:2]
    kernel = scene.network.places[0].kernel
    kernel.link(one, other.pid)
    scene.network.deliver(0, 1)
    kernel.monitor(one, other.pid)
    other.end(None, Invalid("it fails"))
    assert scene.heard(0) == [(EXIT, Invalid("it fails")), (LINK_DOWN, Invalid("it fails"))]


@pytest.mark.semantics("9.2", "9.3")
def test_a_link_from_a_process_that_is_known_to_have_failed_still_tells_one_that_was_not_born(
    scene,
):
    born, far = scene.spawn(0, 2), scene.actors[1]
    kernel = scene.network.places[1].kernel
    scene.network.places[2].kernel.monitor(scene.actors[2], far.pid)
    scene.network.deliver(2, 1)
    kernel.link(far, born)
    far.end(None, Invalid("it fails"))
    scene.network.deliver(1, 2, 5)
    scene.network.deliver_all()
    assert born not in scene.network.places[2].kernel.processes


@pytest.mark.semantics("6.1", "6.8")
def test_who_sends_to_a_process_of_another_place_that_has_ended_learns_it(scene):
    one, other = scene.actors[:2]
    kernel = scene.network.places[0].kernel
    other.end(None, None)
    kernel.send(one, other.pid, "topic", ())
    scene.network.deliver_all()
    with pytest.raises(NotFound):
        kernel.send(one, other.pid, "topic", ())


@pytest.mark.semantics("6.1", "6.8")
def test_who_may_send_no_more_to_a_process_of_another_place_learns_that_it_has_ended(scene):
    one, other = scene.actors[:2]
    kernel = scene.network.places[0].kernel
    for _ in range(4):
        kernel.send(one, other.pid, "topic", ())
    with pytest.raises(LimitExceeded):
        kernel.send(one, other.pid, "topic", ())
    scene.network.deliver(0, 1, 4)
    other.end(None, None)
    scene.network.deliver_all()
    with pytest.raises(NotFound):
        kernel.send(one, other.pid, "topic", ())


@pytest.mark.semantics("12.1", "12.3")
@pytest.mark.parametrize("here", [PARENT, 1])
def test_the_name_of_a_process_whose_spawn_is_too_long_is_free_again(scene, here):
    with pytest.raises(Invalid):
        scene.spawn(here, 2, name=NAME, args=(TOO_LONG,))
    scene.network.deliver_all()
    for place in scene.network.places.values():
        assert not place.kernel.names.items()
    assert not scene.network.places[2].kernel.names._early


@pytest.mark.semantics("9.7")
def test_ties_to_a_process_whose_spawn_is_too_long_end(scene):
    """Somebody has found its PID by its name."""
    network, kernel = scene.network, scene.network.places[0].kernel
    told = []

    def ask_later(what, *args):
        answer = ask(what, *args)
        if what == "register":
            pid = kernel.lookup(None, NAME).pid
            kernel.monitor(scene.actors[0], pid)
            told.append(pid)
            network.deliver(0, 2, 5)
        return answer

    names = network.places[1].kernel.names
    ask, names._ask = names._ask, ask_later
    with pytest.raises(Invalid):
        scene.spawn(1, 2, name=NAME, args=(TOO_LONG,))
    assert scene.heard(0) == [(EXIT, not_found(told[0]))]


@pytest.mark.semantics("12.1", "12.3")
def test_the_name_of_a_process_that_is_still_to_come_is_not_taken_by_its_neighbours(scene):
    pid = scene.spawn(1, 2, name=NAME)
    with pytest.raises(AlreadyExists):
        scene.network.places[2].kernel.register(scene.actors[2], NAME, None)
    scene.network.deliver_all()
    assert scene.network.places[0].kernel.lookup(None, NAME).pid == pid


def test_a_home_forgets_the_watch_of_a_place_whose_watchers_have_all_changed_their_minds(scene):
    place, target = scene.network.places[0], scene.actors[1].pid
    watchers = [scene.actors[0], place.kernel.spawn(None, ACTOR, HOST, ())]
    for one in watchers:
        place.kernel.monitor(one, target)
    scene.network.deliver_all()
    for one in watchers:
        place.kernel.unmonitor(one, target)
    scene.network.deliver_all()
    assert not scene.network.places[1].exchange._watchers


def test_a_home_forgets_a_watch_that_was_taken_back_before_the_process_was_born(scene):
    pid = scene.spawn(1, 2)
    kernel = scene.network.places[0].kernel
    kernel.monitor(scene.actors[0], pid)
    kernel.unmonitor(scene.actors[0], pid)
    scene.network.deliver(0, 2, 2)
    scene.network.deliver_all()
    assert not scene.network.places[2].exchange._watchers


def test_who_waits_for_a_first_wait_that_never_comes_is_told_so_that_it_forgets_the_process(scene):
    """Its watchers have ended with it, so that nobody else asks how it ends."""
    here, there = scene.network.places[1], scene.network.places[2]
    waits = []
    pid = scene.spawn(1, 2, linked=True, monitored=True)
    here.kernel.processes[pid].when_waiting(lambda: waits.append(pid))
    scene.actors[1].end(None, Invalid("it fails"))
    scene.network.deliver_all()
    assert pid not in here.kernel.processes
    assert pid not in there.kernel.processes
    assert not waits


def test_who_has_heard_of_a_first_wait_is_not_told_of_the_end(scene):
    here, there = scene.network.places[1], scene.network.places[2]
    waits = []
    pid = scene.spawn(1, 2)
    here.kernel.processes[pid].when_waiting(lambda: waits.append(pid))
    scene.network.deliver_all()
    assert waits == [pid]
    assert not there.exchange._watchers


@pytest.mark.semantics("12.1", "12.3")
def test_a_name_is_taken_also_where_the_place_of_its_owner_has_not_been_heard_of_yet():
    """What is said of names goes ahead of all else, also of the news of a place."""
    network = Network(2, 4, routed=True)
    here = network.places[1].kernel
    one = here.spawn(None, ACTOR, HOST, ())
    owner = network.add().kernel.spawn(None, ACTOR, HOST, ())
    network.places[0].kernel.register(None, NAME, owner.pid)
    with pytest.raises(AlreadyExists):
        here.register(one, NAME, None)
    network.deliver_all()
    assert here.lookup(one, NAME).pid == owner.pid
