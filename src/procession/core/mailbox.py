"""What was sent to a process and not yet taken by it. SEMANTICS 6.

One pending queue, which is the inbox. A listened topic claims its messages from it, and from then
on gets them directly. So routing is decided when the receiver looks (SEMANTICS 6.5), yet the
common message goes straight from sender to receiver. Lifecycle events have a lane of their own
that no flood of messages delays or fills.

What has to wait is a `Letter`, whatever it waits for: with all that came with it, so that it can
be given back, claimed by another topic's channel, or read by other code after an upgrade.
"""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakSet

from procession.core.channel import ReceiveChannel
from procession.core.errors import Conflict, Invalid, LimitExceeded, NotFound
from procession.core.events import Events
from procession.core.message import Message, ReplyTo, check_topic
from procession.core.refusal import mailbox_full, too_heavy
from procession.core.stack import check_stack
from procession.core.switch import Ring, track, untrack
from procession.core.tokens import CLOSED, EMPTY
from procession.core.typed import decoder
from procession.core.weight import SMALL, WEIGHTLESS, weigh, weigh_small

if TYPE_CHECKING:
    from collections.abc import Callable

    from procession.core.host import Host
    from procession.core.scheduler import Scheduler

T = TypeVar("T")

MAX_TOPICS = 10_000
"""To so many topics a process can listen."""

Letter = tuple[int, str | None, str, Any, ReplyTo | None, int]
"""When it came (a number of its mailbox), sender, topic, payload, where the reply goes, weight.

A plain tuple: it is made for each message, and a class of its own takes five times as long."""

_arrival = itemgetter(0)

_NO_TOPICS: dict[str, TopicChannel] = {}  # shared until a process listens; never changed


class _MailboxChannel(ReceiveChannel[T]):
    """A channel of messages. Letters wait in it; its receiver gets messages or payloads.

    Letters are in the order in which they came, also those that were given back.
    """

    __slots__ = ("_mailbox", "as_messages", "detached", "topic")

    def __cinit__(self) -> None:
        """Called if it is compiled: see Mailbox."""
        untrack(self)

    topic: str
    """All messages in it are of this one, unless it keeps them `as_messages`."""

    def __init__(
        self,
        scheduler: Scheduler,
        mailbox: Mailbox,
        as_messages: bool,
        decode: Callable[[Any], T] | None = None,
    ) -> None:
        super().__init__(scheduler, decode)
        self._mailbox = mailbox
        self.as_messages = as_messages
        self.detached = False
        """Whether what is in it is its program's own, and comes to nobody else."""

    def attempt(self) -> Any:
        """The next message or payload without waiting, or EMPTY, or CLOSED."""
        if not self._buffer:
            return CLOSED if self.closed else EMPTY
        _, sender, topic, payload, reply_to, weight = self._buffer[0]
        value = Message(sender, topic, payload, reply_to) if self.as_messages else payload
        self._buffer.popleft()  # only now: nothing may be taken that nobody gets
        if weight:
            self._mailbox.weight -= weight
        return value

    def next_turn(self) -> Any:
        """The letter that `attempt` would open."""
        return self._buffer[0] if self._buffer else None

    def opened(self, letter: Letter) -> Any:
        """A letter as the receiver is to have it."""
        _, sender, topic, payload, reply_to, _ = letter
        return Message(sender, topic, payload, reply_to) if self.as_messages else payload

    def letter_of(self, value: Any, sender: str | None, order: int) -> Letter:
        """The letter of what was handed over without one."""
        if self.as_messages:
            return (order, value.sender, value.topic, value.payload, value._reply_to, 0)
        return (order, sender, self.topic, value, None, 0)

    def take_back(self, value: Any, sender: str | None, order: int) -> None:
        """Put back, where it was, what its receiver could not use, and had without its letter."""
        if value is not CLOSED:
            self.restore(value, self.letter_of(value, sender, order))

    def restore(self, value: Any, turn: Any = None) -> None:
        """Put back, where it was, a letter whose receiver could not use it."""
        if value is CLOSED:
            return
        if self.detached:
            letter = self._mailbox.weighed(turn)
            self._buffer = inserted(self._buffer, letter)
        else:
            self._mailbox.restore(turn)

    def retire(self) -> None:
        """Close, and have what was handed out and comes back go to the mailbox."""
        track(self)
        super().close()


class TopicChannel(_MailboxChannel[Any]):
    """The messages of one topic."""

    __slots__ = ("messages", "payload_type")

    def __init__(
        self, scheduler: Scheduler, mailbox: Mailbox, topic: str, messages: bool, payload_type: Any
    ) -> None:
        # To be decoded it takes the message, which knows how to answer if it does not fit.
        as_messages = messages or payload_type is not None
        super().__init__(scheduler, mailbox, as_messages, decoder(topic, messages, payload_type))
        self.topic = topic
        self.messages = messages
        self.payload_type = payload_type

    def close(self) -> None:
        """Stop listening: later messages fall to the inbox. SEMANTICS 6.6."""
        self._mailbox.detach(self)
        super().close()

    def __del__(self) -> None:
        if self.detached:  # what its program has thrown away weighs nothing any more
            self._mailbox.weight -= sum(letter[5] for letter in self._buffer or ())


class Inbox(_MailboxChannel[Message[Any]]):
    """The messages of all topics that nobody listens to."""

    __slots__ = ()

    def __init__(self, scheduler: Scheduler, mailbox: Mailbox) -> None:
        super().__init__(scheduler, mailbox, as_messages=True)
        self._buffer = mailbox.pending

    def close(self) -> None:
        """An inbox closes with its process, not before. Raises Invalid."""
        raise Invalid("the inbox cannot be closed: it ends with its process")


class Mailbox:
    """All channels through which a process hears of the world. `host` has its limits."""

    __slots__ = (
        "_arrivals",
        "_detached",
        "_fit_until",
        "_light",
        "_scheduler",
        "_weigh",
        "closed",
        "events_channel",
        "events_wanted",
        "host",
        "inbox_channel",
        "owed",
        "pending",
        "topics",
        "weight",
    )

    def __cinit__(self) -> None:
        """Called if it is compiled: nothing that its process still has is garbage. See `end`."""
        untrack(self)

    def __init__(self, scheduler: Scheduler, host: Host) -> None:
        self._scheduler = scheduler
        self.host = host
        self._arrivals = 0
        """How many messages came: the last one's number."""
        self._weigh = weigh_small
        self._light = host.mailbox_bytes // host.mailbox // 10
        """Text of this length counts nothing: as many as may wait are a tenth of the limit."""
        self._fit_until = host.mailbox
        """The number of the last message that fits for certain."""
        self.weight = 0
        """Of all letters that wait: see core/weight.py."""
        self.topics = _NO_TOPICS
        self.pending: Ring[Letter] | None = None
        self.inbox_channel: Inbox | None = None
        self.events_channel: Events | None = None
        self.events_wanted = False
        """Whether the process has asked for its events: they may also wait for that."""
        self.owed: dict[int, int] | None = None
        """By place: what it has sent and was not given credit for. See core/credit.py."""
        self._detached: WeakSet[TopicChannel] | None = None
        self.closed = False
        """Whether its process is ending: to others it has ended."""

    @property
    def limit(self) -> int:
        """How many messages may wait."""
        return self.host.mailbox

    @property
    def size(self) -> int:
        """How many messages wait, whatever their topic."""
        size = len(self.pending) if self.pending else 0
        if self._detached is not None:
            size += sum(channel.buffered for channel in self._detached)
        return size + sum(channel.buffered for channel in self.topics.values())

    @property
    def units(self) -> int:
        """As how many messages all that waits counts: see `units_of`."""
        return self.size + self.weight * self.host.mailbox // self.host.mailbox_bytes

    def deliver(
        self,
        sender: str | None,
        topic: str,
        payload: Any,
        reply_to: ReplyTo | None = None,
        accepted: bool = False,
    ) -> None:
        """Route one message.

        Raises LimitExceeded if it would have to be kept and nothing fits, NotFound if the mailbox
        is closed. The topic is checked here, not earlier: one that is listened to has been
        checked before.
        """
        if self.closed:
            raise NotFound("process not found: it is ending")
        channel: _MailboxChannel[Any] | None = self.topics.get(topic)
        if channel is None:
            check_topic(topic)
            channel = self.inbox_channel
        if channel is not None:
            receiver = channel._receiver
            if receiver is not None:  # `hand`, without the call: this is the hottest path
                self._arrivals = arrival = self._arrivals + 1
                if channel.as_messages:
                    message = Message(sender, topic, payload, reply_to)
                    took = receiver.offer(message, channel, sender, arrival)
                elif reply_to is None:
                    took = receiver.offer(payload, channel, sender, arrival)
                else:  # then only a letter can keep it
                    turn = (arrival, sender, topic, payload, reply_to, 0)
                    took = receiver.offer(payload, channel, turn, 0)
                if took:
                    if channel._receiver is receiver:
                        if channel._more_receivers is None:
                            channel._receiver = None
                        else:
                            channel._drop_first()
                    return
                if channel.has_receiver():  # another one: this one waits no longer
                    self.deliver(sender, topic, payload, reply_to, accepted)
                    return
        arrival = self._arrivals + 1
        if arrival > self._fit_until and not accepted:
            self._count_room(topic)
        weight, kind = 0, type(payload)
        if (
            kind is not int
            and kind not in WEIGHTLESS
            and not (kind is str and len(payload) <= self._light)
        ):
            weight = self._weigh(payload)
            if weight > SMALL:
                self._weigh = weigh
            if self.weight + weight > self.host.mailbox_bytes and not accepted:
                host = self.host
                raise too_heavy(weight, self.weight, host.mailbox_bytes, host.id, topic)
        self._arrivals = arrival
        letter = (arrival, sender, topic, payload, reply_to, weight)
        if channel is None or channel is self.inbox_channel:
            queue = self.pending
            if queue is None:
                queue = self._share(Ring())
        else:
            if channel._buffer is None:
                channel._buffer = Ring()
            queue = channel._buffer
        try:
            queue.append(letter)
            self.weight += weight
        except BaseException:
            self.weigh_anew()
            raise

    def _share(self, letters: Ring[Letter]) -> Ring[Letter]:
        """Have what is pending wait in this queue, which is that of the inbox too."""
        if self.inbox_channel is not None:
            self.inbox_channel._buffer = letters
        self.pending = letters
        return letters

    def admit(
        self, sender: str | None, topic: str, payload: Any, reply_to: ReplyTo | None = None
    ) -> None:
        """Route one message that was accepted in another place: there is always room for it."""
        self.deliver(sender, topic, payload, reply_to, True)

    def _count_room(self, topic: str) -> None:
        """Count how many more messages fit.

        As if all that come until then had to wait: receivers and hand-overs do not raise it, or
        each would pay for it; instead all is counted anew when it is used up.
        """
        room = self.host.mailbox - self.size
        self._fit_until = self._arrivals + room
        if room <= 0:
            raise mailbox_full(self.host.mailbox, topic)

    def restore(self, letter: Letter) -> None:
        """Take back what a receiver could not use: to whoever listens by now, else to its place.

        It is kept even if the mailbox is full: it was accepted before.
        """
        channel = self.topics.get(letter[2]) or self.inbox_channel
        if channel is not None and channel.hand(channel.opened(letter), letter):
            return
        letter = self.weighed(letter)
        if channel is None or channel is self.inbox_channel:
            if self.pending is None:
                self._share(Ring())
            inserted(self.pending, letter)
        else:
            channel._buffer = inserted(channel._buffer, letter)

    def weighed(self, letter: Letter) -> Letter:
        """A letter that is about to wait again, with its weight, which is counted."""
        weight = self._weigh(letter[3])
        self._fit_until -= 1
        self.weight += weight
        return (*letter[:5], weight)

    def listen(self, topic: str, messages: bool | None, payload_type: Any) -> TopicChannel:
        """The channel of a topic: a new one gets what is pending, the same one ever after.

        Raises Conflict if the topic is listened to in another way.
        """
        channel = self.topics.get(topic) if isinstance(topic, str) else None
        if channel is not None:
            if messages not in (None, channel.messages) or payload_type not in (
                None,
                channel.payload_type,
            ):
                raise Conflict(f"topic {topic!r} is already listened to in another way")
            return channel
        check_topic(topic)
        if len(self.topics) >= MAX_TOPICS:
            raise LimitExceeded(
                f"a process can listen to {MAX_TOPICS} topics: unlisten one, or tell them apart "
                "by what they carry"
            )
        channel = TopicChannel(self._scheduler, self, topic, bool(messages), payload_type)
        check_stack()
        if self.topics is _NO_TOPICS:
            self.topics = {}
        if self.pending:
            self._claim(channel)
        self.topics[topic] = channel
        untrack(self.topics)
        return channel

    def unlisten(self, channel: object) -> None:
        """Close a channel that `listen` gave. Raises Invalid for any other."""
        if not isinstance(channel, TopicChannel):
            raise Invalid(f"unlisten takes a channel that listen gave, not {channel!r:.100}")
        channel.close()

    def detach(self, channel: TopicChannel) -> None:
        """A channel closes. What is left in it is its program's, and counts while it is kept."""
        if self.topics.get(channel.topic) is not channel:
            return
        check_stack()
        if self._detached is None:
            self._detached = WeakSet()
        self._detached.add(channel)
        track(channel)
        del self.topics[channel.topic]
        channel.detached = True

    def _claim(self, channel: TopicChannel) -> None:
        pending, topic = self.pending, channel.topic
        assert pending is not None
        letters = list(pending)
        others = [letter for letter in letters if letter[2] != topic]
        if len(others) == len(letters):
            return
        channel._buffer = Ring(letter for letter in letters if letter[2] == topic)
        try:
            pending.clear()  # in place: the inbox holds the same queue
            pending.extend(others)
        except BaseException:
            pending.clear()
            pending.extend(letters)
            raise

    def weigh_anew(self) -> None:
        """Add up what waits, after a change that was cut short."""
        channels = (*self.topics.values(), *(self._detached or ()))
        queues = (self.pending, *(channel._buffer for channel in channels))
        self.weight = sum(letter[5] for queue in queues for letter in queue or ())

    def detached(self) -> list[TopicChannel]:
        """The channels that are no longer listened to, as far as the program still has them."""
        return list(self._detached or ())

    def renew(self, detached: list[TopicChannel]) -> None:
        """Have everything wait as it came, for the new code of the process.

        `detached` was asked for before the old code went, which may have had the only references.
        What the old code was handed, and had not yet received, comes here as well when it is
        given back.
        """
        self.events_wanted = False
        topics, inbox = tuple(self.topics.values()), self.inbox_channel
        letters = [*(self.pending or ())]
        for channel in topics:
            letters += channel._buffer or ()
            channel._buffer = None
        for channel in detached:
            letters += [(*one[:5], self._weigh(one[3])) for one in channel._buffer or ()]
            channel._buffer = None
            channel.detached = False
        letters.sort(key=_arrival)
        self.pending = Ring(letters)
        self.weight = sum(letter[5] for letter in letters)
        self._fit_until = self._arrivals  # there may be more now than the limit
        self.topics, self.inbox_channel, self._detached = _NO_TOPICS, None, None
        for retired in (*topics, *([inbox] if inbox is not None else ())):
            retired.retire()

    def close(self) -> None:
        """Take nothing in any more, but for events. What has come stays, to be polled."""
        self.closed = True

    def end(self) -> None:
        """Its process has ended: only its program may yet have channels, and what is in them."""
        self.closed = True
        for channel in (*self.topics.values(), self.inbox_channel, self.events_channel):
            if channel is not None:
                track(channel)
        track(self)
        self.topics, self.inbox_channel = _NO_TOPICS, None

    def inbox(self) -> Inbox:
        """The channel of all that nobody listens to."""
        if self.inbox_channel is None:
            self.inbox_channel = Inbox(self._scheduler, self)
        return self.inbox_channel

    def events(self) -> Events:
        """The channel of lifecycle events, for the process itself."""
        self.events_wanted = True
        return self.events_channel or self.make_events()

    def make_events(self) -> Events:
        """Make the channel of lifecycle events: one waits for the process to ask."""
        self.events_channel = Events(self._scheduler)
        return self.events_channel


def inserted(letters: Ring[Letter] | None, letter: Letter) -> Ring[Letter]:
    """The queue with a letter that was given back, in its place: near the front."""
    if letters is None:
        letters = Ring()
    arrival = letter[0]
    for index, other in enumerate(letters):
        if other[0] > arrival:
            letters.insert(index, letter)
            return letters
    letters.append(letter)
    return letters
