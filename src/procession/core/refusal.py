"""What a sender is told whose message does not fit in a mailbox."""

from __future__ import annotations

from procession.core.errors import LimitExceeded


def mailbox_full(limit: int, topic: str) -> LimitExceeded:
    """The error of who sends to a process for which too much waits. SEMANTICS 6.8."""
    return LimitExceeded(
        f"mailbox full: {limit} messages wait", retryable=True, details={"topic": topic}
    )


def too_heavy(weight: int, waiting: int, limit: int, host_id: str, topic: str) -> LimitExceeded:
    """The error of a message that has more bytes than still fit. SEMANTICS 6.10."""
    return LimitExceeded(
        f"mailbox full: about {waiting} bytes wait, this message has {weight}, and "
        f"the limit is {limit} (mailbox_bytes of {host_id})",
        retryable=True,
        details={"topic": topic},
    )
