"""What waits in a mailbox: with all that came with it, in order, and within its two bounds."""

import gc
from time import process_time

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from procession.core.errors import Invalid, LimitExceeded
from procession.core.host import Host
from procession.core.mailbox import MAX_TOPICS, Mailbox
from procession.core.scheduler import Waiter
from procession.core.tokens import ANSWERED, CLOSED, EMPTY


class Receiver(Waiter):
    """Who waits at a channel, and may be interrupted after it was handed something."""

    turn = None
    got = EMPTY

    def __init__(self, channel):
        self.channel = self.parked = channel
        channel.enlist(self)

    def offer(self, value, at, turn=None, order=0):
        if self.parked is not at:
            return False
        self.got, self.turn, self.order, self.parked = value, turn, order, None
        return True

    def waits_at(self, at):
        return self.parked is at

    def give_back(self):
        if self.order:
            self.channel.take_back(self.got, self.turn, self.order)
        else:
            self.channel.restore(self.got, self.turn)


class Caller:
    """Who waits for a reply."""

    def __init__(self):
        self.replies = []

    def answer(self, reply):
        self.replies.append(reply)
        return True


class Number(msgspec.Struct):
    n: int


@pytest.fixture
def mailbox():
    return Mailbox(None, Host("app:host", mailbox=100, mailbox_bytes=10_000))


def drain(channel):
    found = []
    while (value := channel.attempt()) not in (EMPTY, CLOSED):
        found.append(value)
    return found


def read(mailbox):
    """What waits, as the code after an upgrade sees it."""
    return [(m.topic, m.payload, m.sender, m.wants_reply) for m in drain(mailbox.inbox())]


# -- other code ----------------------------------------------------------------------------------


@pytest.mark.semantics("6.2")
def test_other_code_gets_all_that_waits_in_the_order_in_which_it_came(mailbox):
    plain = mailbox.listen("plain", None, None)
    mailbox.listen("messages", True, None)
    mailbox.listen("typed", None, Number)
    caller = Caller()
    sent = []
    for i in range(4):
        for topic in ("plain", "messages", "typed", "others"):
            reply_to = caller if i % 2 else None
            mailbox.deliver(f"sender {i}", topic, i, reply_to)
            sent.append((topic, i, f"sender {i}", reply_to is not None))
    mailbox.renew([])
    assert plain.closed
    assert mailbox.topics == {}
    assert mailbox.size == len(sent)
    for message in map(mailbox.inbox().opened, mailbox.pending):
        assert message.wants_reply is (message.payload % 2 == 1)
        if message.wants_reply:
            message.reply(message.payload)
    assert read(mailbox) == sent
    assert caller.replies == [1] * 4 + [3] * 4


@pytest.mark.parametrize("topic", ["plain", "messages", "others"])
def test_other_code_gets_what_had_been_handed_to_the_old_and_came_back_before_or_after(
    mailbox, topic
):
    mailbox.listen("plain", None, None)
    mailbox.listen("messages", True, None)
    channel = mailbox.inbox() if topic == "others" else mailbox.topics[topic]
    early, late, gone = Receiver(channel), Receiver(channel), Receiver(channel)
    for i in range(5):
        mailbox.deliver("sender", topic, i)
    early.give_back()
    mailbox.renew([])
    late.give_back()
    assert gone.got is not EMPTY  # it was received: it does not come again
    assert read(mailbox) == [(topic, i, "sender", False) for i in (0, 1, 3, 4)]


def test_what_comes_back_after_an_upgrade_goes_to_whoever_listens_by_then(mailbox):
    old = Receiver(mailbox.listen("n", None, None))
    mailbox.deliver("sender", "n", 1)
    mailbox.renew([])
    new = Receiver(mailbox.listen("n", True, None))
    old.channel.close()  # the old code cleans up: that means nothing any more
    old.give_back()
    assert (new.got.payload, new.got.sender) == (1, "sender")


def test_who_waited_in_the_old_code_is_told_that_its_channel_is_closed(mailbox):
    receivers = [Receiver(mailbox.listen("n", None, None)), Receiver(mailbox.inbox())]
    mailbox.renew([])
    assert [receiver.got for receiver in receivers] == [CLOSED, CLOSED]
    mailbox.deliver("sender", "n", 1)
    assert read(mailbox) == [("n", 1, "sender", False)]


def test_what_is_left_in_a_channel_that_was_closed_is_for_the_new_code_too(mailbox):
    numbers = mailbox.listen("n", None, None)
    for i in range(3):
        mailbox.deliver("sender", "n", i)
    mailbox.unlisten(numbers)
    assert (numbers.buffered, mailbox.size, mailbox.weight) == (3, 3, 0)
    mailbox.deliver("sender", "n", 3)
    assert numbers.attempt() == 0
    mailbox.renew(mailbox.detached())
    assert numbers.attempt() is CLOSED
    assert read(mailbox) == [("n", i, "sender", False) for i in (1, 2, 3)]


def test_a_closed_channel_that_nobody_holds_leaves_nothing_behind(mailbox):
    numbers = mailbox.listen("n", None, None)
    mailbox.deliver("sender", "n", "x" * 1000)
    mailbox.unlisten(numbers)
    del numbers
    gc.collect()
    assert mailbox.detached() == []
    assert mailbox.weight == 0


# -- what comes back -----------------------------------------------------------------------------


@pytest.mark.semantics("4.4")
@given(st.permutations(range(5)), st.sampled_from(["plain", "messages", "others"]), st.booleans())
def test_what_comes_back_takes_its_old_place_in_whatever_order(order, topic, listens_late):
    mailbox = Mailbox(None, Host("app:host"))
    if topic != "others":
        mailbox.listen(topic, topic == "messages", None)
    channel = mailbox.topics.get(topic) or mailbox.inbox()
    receivers = [Receiver(channel) for _ in range(5)]
    for i in range(8):
        mailbox.deliver(f"sender {i}", topic, i)
    for index in order:
        receivers[index].give_back()
    if listens_late:
        channel = mailbox.listen(topic, topic == "messages" or None, None)
    values = [getattr(value, "payload", value) for value in drain(channel)]
    assert values == list(range(8))


# -- the bounds ----------------------------------------------------------------------------------


def fill(mailbox, payload, topic="t"):
    """Send until it is full; how often that went, and the refusal."""
    for count in range(1000):
        try:
            mailbox.deliver("sender", topic, payload)
        except LimitExceeded as refusal:
            return count, refusal
    raise AssertionError("it is never full")


@pytest.mark.semantics("6.10")
@pytest.mark.parametrize(
    ("payload", "least", "most"),
    [
        ("x" * 1000, 10, 10),
        (b"x" * 3000, 3, 3),
        (["x" * 900], 9, 11),
        ({"deep": [{"er": {"k" * 500: "x" * 450}}]}, 6, 10),
        (list(range(80)), 3, 25),
        (Invalid("x" * 900, details={"a": 1}), 8, 10),
    ],
)
@pytest.mark.parametrize("listened", [True, False])
def test_a_mailbox_is_full_when_its_payloads_weigh_too_much(
    mailbox, payload, least, most, listened
):
    channel = mailbox.listen("t", None, None) if listened else mailbox.inbox()
    count, refusal = fill(mailbox, payload)
    assert least <= count <= most
    assert refusal.retryable is True
    assert refusal.details == {"topic": "t"}
    assert str(refusal).startswith(f"mailbox full: about {mailbox.weight} bytes wait")
    assert "10000 (mailbox_bytes of app:host)" in str(refusal)
    mailbox.deliver("sender", "t", 1)  # what weighs nothing still fits
    channel.attempt()
    mailbox.deliver("sender", "t", payload)  # and so does one more where one was taken
    drain(channel)
    assert (mailbox.weight, mailbox.size) == (0, 0)
    assert fill(mailbox, payload)[0] == count


@pytest.mark.semantics("6.10")
def test_what_is_handed_over_counts_nothing_however_large(mailbox):
    receiver = Receiver(mailbox.listen("t", None, None))
    mailbox.deliver("sender", "t", "x" * 1_000_000)
    assert len(receiver.got) == 1_000_000
    assert mailbox.weight == 0


@pytest.mark.semantics("6.10")
def test_a_payload_that_comes_back_counts_and_is_kept_even_if_nothing_fits(mailbox):
    channel = mailbox.listen("t", None, None)
    receiver = Receiver(channel)
    mailbox.deliver("sender", "t", "x" * 9000)
    assert fill(mailbox, "y" * 1000)[0] == 10
    receiver.give_back()
    assert mailbox.weight == 19_000
    assert [len(value) for value in drain(channel)] == [9000] + [1000] * 10
    assert mailbox.weight == 0


@pytest.mark.semantics("6.10")
def test_the_weight_follows_messages_that_change_their_channel(mailbox):
    for topic in ("a", "b", "a"):
        mailbox.deliver("sender", topic, "x" * 1000)
    channel = mailbox.listen("a", None, None)
    assert mailbox.weight == 3000
    channel.attempt()
    assert mailbox.weight == 2000
    channel.close()  # what is left there counts as long as it is kept
    assert (mailbox.weight, mailbox.size) == (2000, 2)
    channel.attempt()
    assert (mailbox.weight, mailbox.size) == (1000, 1)
    mailbox.renew([])
    assert mailbox.weight == 1000
    drain(mailbox.inbox())
    assert mailbox.weight == 0


@pytest.mark.semantics("6.8", "6.10")
def test_a_mailbox_is_not_emptied_by_closing_channels_that_are_kept():
    mailbox = Mailbox(None, Host("app:host", mailbox=10, mailbox_bytes=1 << 20))
    kept = []
    with pytest.raises(LimitExceeded, match="mailbox full: 10 messages wait"):
        for i in range(20):
            kept.append(mailbox.listen("t", None, None))
            mailbox.deliver("sender", "t", i)
            kept[-1].close()
    kept.clear()
    gc.collect()
    mailbox.deliver("sender", "t", "there is room again")
    assert (mailbox.size, mailbox.weight) == (1, 0)


def test_a_process_listens_to_a_bounded_number_of_topics(mailbox):
    first, *_ = [mailbox.listen(f"topic {i}", None, None) for i in range(MAX_TOPICS)]
    with pytest.raises(LimitExceeded, match=f"can listen to {MAX_TOPICS} topics: unlisten one"):
        mailbox.listen("one more", None, None)
    assert mailbox.listen("topic 0", None, None) is first
    first.close()
    mailbox.listen("one more", None, None)


@pytest.mark.semantics("6.8")
@pytest.mark.parametrize("limit", [1, 3, 100])
def test_as_many_messages_fit_as_the_host_says_however_many_were_handed_over(limit):
    mailbox = Mailbox(None, Host("app:host", mailbox=limit))
    channel = mailbox.listen("t", None, None)
    for _ in range(250):
        Receiver(channel)
        mailbox.deliver("sender", "t", 1)
    for _ in range(3):
        for _ in range(limit):
            mailbox.deliver("sender", "t", 1)
        with pytest.raises(LimitExceeded, match=f"mailbox full: {limit} messages wait"):
            mailbox.deliver("sender", "t", 1)
        drain(channel)


# -- types ---------------------------------------------------------------------------------------


@pytest.mark.semantics("6.4")
@pytest.mark.parametrize("messages", [True, None])
def test_a_call_that_does_not_fit_the_type_is_answered_and_a_send_raises(mailbox, messages):
    channel = mailbox.listen("t", messages, Number)
    caller = Caller()
    mailbox.deliver("sender", "t", {"n": "many"}, caller)
    mailbox.deliver("sender", "t", {"n": "many"})
    mailbox.deliver("sender", "t", {"n": 1}, caller)
    assert channel._decode(channel.attempt()) is ANSWERED
    (refusal,) = caller.replies
    assert isinstance(refusal, Invalid)
    assert "payload on 't' does not fit Number" in str(refusal)
    with pytest.raises(Invalid, match=r"\$\.n"):
        channel._decode(channel.attempt())
    received = channel._decode(channel.attempt())
    assert (received.payload if messages else received) == Number(1)
    assert len(caller.replies) == 1


def test_a_channel_that_is_thrown_away_does_not_look_at_what_else_waits():
    def cost_beside(count):
        mailbox = Mailbox(None, Host("app:host", mailbox=count))
        channels = [mailbox.listen(f"topic {n}", None, None) for n in range(1000)]
        for _ in range(count):
            mailbox.deliver(None, "other", 1)
        began = process_time()
        while channels:
            channels.pop().close()
        return process_time() - began

    alone = min(cost_beside(1) for _ in range(5))
    assert min(cost_beside(100_000) for _ in range(2)) < 8 * alone
