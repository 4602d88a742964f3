"""What was sent to a process and not yet taken by it. SEMANTICS 6.

One pending queue, which is the inbox. A listened topic claims its messages from it, and from then
on gets them directly. So routing is decided when the receiver looks (SEMANTICS 6.5), yet the
common message goes straight from sender to receiver. Lifecycle events have a lane of their own
that no flood of messages delays or fills.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import msgspec

from procession.core.channel import ReceiveChannel, turns
from procession.core.errors import Conflict, Invalid, LimitExceeded
from procession.core.event import Event
from procession.core.message import Message, ReplyTo, check_topic
from procession.core.payload import NATIVE_TYPES

if TYPE_CHECKING:
    from collections.abc import Callable

    from procession.core.scheduler import Scheduler

_NO_TOPICS: dict[str, TopicChannel] = {}  # shared until a process listens; never changed


class TopicChannel(ReceiveChannel[Any]):
    """The messages of one topic."""

    __slots__ = ("_mailbox", "messages", "payload_type", "topic")

    def __init__(
        self, scheduler: Scheduler, mailbox: Mailbox, topic: str, messages: bool, payload_type: Any
    ) -> None:
        super().__init__(scheduler, _decoder(topic, messages, payload_type))
        self._mailbox: Mailbox | None = mailbox
        self.topic = topic
        self.messages = messages
        self.payload_type = payload_type

    def restore(self, value: Any, turn: int = 0) -> None:
        """Put back, at the front, a value that its receiver could not use."""
        if self._mailbox is not None:
            self._mailbox.note_restored()
        super().restore(value, turn)

    def close(self) -> None:
        """Stop listening: later messages fall to the inbox. SEMANTICS 6.6."""
        mailbox, self._mailbox = self._mailbox, None
        if mailbox is not None:
            del mailbox.topics[self.topic]
        super().close()


class Inbox(ReceiveChannel[Message[Any]]):
    """The messages of all topics that nobody listens to."""

    __slots__ = ("_mailbox",)

    def __init__(self, scheduler: Scheduler, mailbox: Mailbox) -> None:
        super().__init__(scheduler)
        self._mailbox = mailbox
        self._buffer = mailbox.pending

    def restore(self, value: Any, turn: int = 0) -> None:
        """Put back a message; to its topic's channel if somebody listens by now."""
        self._mailbox.restore(value, turn)

    def close(self) -> None:
        """An inbox closes with its process, not before. Raises Invalid."""
        raise Invalid("the inbox cannot be closed: it ends with its process")


class Events(ReceiveChannel[Event]):
    """The lifecycle events of a process. Not counted against the mailbox's limit."""

    __slots__ = ()

    def close(self) -> None:
        """Events end with their process, not before. Raises Invalid."""
        raise Invalid("the events channel cannot be closed: it ends with its process")


class Mailbox:
    """All channels through which a process hears of the world."""

    __slots__ = (
        "_room",
        "_scheduler",
        "events_channel",
        "inbox_channel",
        "limit",
        "owed",
        "pending",
        "topics",
    )

    def __init__(self, scheduler: Scheduler, limit: int) -> None:
        self._scheduler = scheduler
        self.limit = limit
        self._room = limit
        self.topics = _NO_TOPICS
        self.pending: deque[Message[Any]] | None = None
        self.inbox_channel: Inbox | None = None
        self.events_channel: Events | None = None
        self.owed: dict[int, int] | None = None
        """By place: how many messages it has sent and was not given credit for. See Exchange."""

    @property
    def size(self) -> int:
        """How many messages wait, whatever their topic."""
        pending = len(self.pending) if self.pending else 0
        return pending + sum(channel.buffered for channel in self.topics.values())

    def deliver(
        self, sender: str | None, topic: str, payload: Any, reply_to: ReplyTo | None = None
    ) -> None:
        """Route one message. Raises LimitExceeded if it would have to be kept and nothing fits.

        The topic is checked here, not earlier: one that is listened to has been checked before.
        """
        listener = self.topics.get(topic)
        channel: ReceiveChannel[Any] | None = listener
        if listener is None:
            check_topic(topic)
            channel = self.inbox_channel
            payload = Message(sender, topic, payload, reply_to)
        elif listener.messages:
            payload = Message(sender, topic, payload, reply_to)
        if channel is not None:
            receiver = channel._receiver
            if receiver is not None:
                # `_next_receiver`, without the call
                more = channel._more_receivers
                channel._receiver = more.popleft() if more else None
                receiver.turn = next(turns)
                receiver.wake(payload)
                return
            self._take_room(topic)
            channel.push(payload)
        else:
            self._take_room(topic)
            if self.pending is None:
                self.pending = deque()
            self.pending.append(payload)

    def admit(
        self, sender: str | None, topic: str, payload: Any, reply_to: ReplyTo | None = None
    ) -> None:
        """Route one message that was accepted in another place: there is always room for it."""
        if self._room <= 0:
            self._room = 1  # used up at once, so that the next one that may be refused is
        self.deliver(sender, topic, payload, reply_to)

    def _take_room(self, topic: str) -> None:
        """Account for one more message.

        `_room` is how many fit for certain. Receivers do not raise it, or each would pay for it;
        instead all is counted anew when it is used up.
        """
        if self._room <= 0:
            self._room = self.limit - self.size
            if self._room <= 0:
                raise mailbox_full(self.limit, topic)
        self._room -= 1

    def note_restored(self) -> None:
        """Account for a message that came back: it was handed over without taking room."""
        self._room -= 1

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
        channel = TopicChannel(self._scheduler, self, topic, bool(messages), payload_type)
        if self.topics is _NO_TOPICS:
            self.topics = {}
        self.topics[topic] = channel
        if self.pending:
            self._claim(channel)
        return channel

    def unlisten(self, channel: object) -> None:
        """Close a channel that `listen` gave. Raises Invalid for any other."""
        if not isinstance(channel, TopicChannel):
            raise Invalid(f"unlisten takes a channel that listen gave, not {channel!r:.100}")
        channel.close()

    def _claim(self, channel: TopicChannel) -> None:
        assert self.pending is not None
        messages, inbox = list(self.pending), self.inbox_channel
        self.pending.clear()  # in place: the inbox holds the same queue
        # The first ones may have been given back: their turns go with them.
        returned = inbox._returned if inbox is not None and inbox._returned else []
        kept, claimed = [], []
        for index, message in enumerate(messages):
            if message.topic == channel.topic:
                channel.push(message if channel.messages else message.payload)
                claimed += returned[index : index + 1]
            else:
                self.pending.append(message)
                kept += returned[index : index + 1]
        channel._returned = claimed
        if inbox is not None:
            inbox._returned = kept

    def renew(self) -> None:
        """Have everything wait in the inbox again, for the new code of the process.

        What had been listened to comes first, each topic in its order.
        """
        older = []
        for channel in list(self.topics.values()):
            for value in channel._buffer or ():
                older.append(value if channel.messages else Message(None, channel.topic, value))
            if channel._buffer:
                channel._buffer.clear()
            channel.close()
        if self.pending is None:
            self.pending = deque()
        self.pending.extendleft(reversed(older))
        if self.inbox_channel is not None:
            self.inbox_channel._returned = None

    def restore(self, message: Message[Any], turn: int) -> None:
        """Take back, at the front, a message that was received from the inbox."""
        listener = self.topics.get(message.topic)
        if listener is not None:
            listener.restore(message if listener.messages else message.payload, turn)
            return
        self.note_restored()
        ReceiveChannel.restore(self.inbox(), message, turn)

    def inbox(self) -> Inbox:
        """The channel of all that nobody listens to."""
        if self.inbox_channel is None:
            if self.pending is None:
                self.pending = deque()
            self.inbox_channel = Inbox(self._scheduler, self)
        return self.inbox_channel

    def events(self) -> Events:
        """The channel of lifecycle events."""
        if self.events_channel is None:
            self.events_channel = Events(self._scheduler)
        return self.events_channel


def mailbox_full(limit: int, topic: str) -> LimitExceeded:
    """The error of who sends to a process for which too much waits. SEMANTICS 6.8."""
    return LimitExceeded(
        f"mailbox full: {limit} messages wait", retryable=True, details={"topic": topic}
    )


def _decoder(topic: str, messages: bool, payload_type: Any) -> Callable[[Any], Any] | None:
    if payload_type is None:
        return None

    def decode(payload: Any) -> Any:
        return decode_payload(payload, payload_type, f"payload on {topic!r}")

    if not messages:
        return decode
    return lambda message: message.with_payload(decode(message.payload))


def decode_payload(payload: Any, payload_type: Any, what: str) -> Any:
    """The payload as `payload_type`. Raises Invalid, naming the path, if it does not fit."""
    try:
        return msgspec.convert(payload, payload_type, builtin_types=NATIVE_TYPES)
    except msgspec.ValidationError as error:
        name = getattr(payload_type, "__name__", str(payload_type))
        raise Invalid(f"{what} does not fit {name}: {error}") from None
