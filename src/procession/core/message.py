"""A message as its receiver sees it. SEMANTICS 6.7."""

from __future__ import annotations

from typing import Any, Generic, Protocol, TypeVar

from procession.core.errors import Error, Invalid
from procession.core.payload import copy_payload

T = TypeVar("T")

SYSTEM_MARK = "@"
"""Topics that start with it belong to the runtime."""


class ReplyTo(Protocol):
    """Where the reply to a call goes."""

    def answer(self, reply: Any, /) -> bool:
        """Deliver the reply; False if nobody waits for it any more."""


class Message(Generic[T]):
    """A payload with its topic and sender. `sender` is None when no process sent it."""

    __slots__ = ("_reply_to", "payload", "sender", "topic")

    def __init__(
        self, sender: str | None, topic: str, payload: T, reply_to: ReplyTo | None = None
    ) -> None:
        self.sender = sender
        self.topic = topic
        self.payload = payload
        self._reply_to = reply_to

    @property
    def wants_reply(self) -> bool:
        """Whether it was sent by `process.call`."""
        return self._reply_to is not None

    def reply(self, value: Any = None) -> bool:
        """Answer the `call` that sent this message. An Error is raised at the caller.

        True if the caller got it; False if it has been answered, has given up or is gone: the
        reply is then dropped and counted (`late_replies` of the node's statistics). SEMANTICS 6.11.
        Raises Invalid if the message was sent without expecting a reply, or if the value cannot
        cross.
        """
        if self._reply_to is None:
            raise Invalid(
                f"the message on {self.topic!r} expects no reply: it was sent by send, not by call"
            )
        return self._reply_to.answer(copy_payload(value, "reply"))

    def refuse(self, error: Error) -> bool:
        """Answer it with an error if it is a call; False if nobody waits for a reply."""
        if self._reply_to is None:
            return False
        self._reply_to.answer(error)
        return True

    def with_payload(self, payload: Any) -> Message[Any]:
        """The same message with its payload decoded."""
        return Message(self.sender, self.topic, payload, self._reply_to)

    def __repr__(self) -> str:
        return f"<Message {self.topic!r} from {self.sender}: {self.payload!r}>"


def check_topic(topic: object) -> None:
    """Raise unless processes may use the topic. SEMANTICS 6.1."""
    if not isinstance(topic, str):
        raise TypeError(f"a topic is a string, not {type(topic).__name__}")
    if topic.startswith(SYSTEM_MARK):
        raise Invalid(f"topic {topic!r}: topics that start with '@' belong to the runtime")
    if not topic:
        raise Invalid("a topic must not be empty")
