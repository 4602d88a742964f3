"""SEMANTICS 6: messages, topics and mailboxes."""

import asyncio
import dataclasses

import msgspec
import pytest

from procession import (
    ChannelClosed,
    Conflict,
    Invalid,
    LimitExceeded,
    NotFound,
    Timeout,
    channel,
    process,
    time,
)


async def idle():
    await time.sleep("1h")


@pytest.mark.semantics("6.1")
def test_send_goes_to_a_pid_or_a_registered_name(run):
    async def main():
        process.registry.register("me")
        ch = process.listen("t")
        assert process.send(process.pid(), "t", "by pid") is True
        assert process.send("me", "t", "by name") is True
        return [await ch.receive(), await ch.receive()]

    assert run(main) == ["by pid", "by name"]


@pytest.mark.semantics("6.1")
def test_the_errors_of_send(run):
    async def main():
        dead = process.spawn_monitored(idle, None)
        process.terminate(dead)
        await process.events().receive()
        me = process.pid()
        for dest, topic, error, message in [
            (me, "@x", Invalid, "belong to the runtime"),
            (me, "@", Invalid, "belong to the runtime"),
            (me, "", Invalid, "empty"),
            ("nobody", "t", NotFound, "could not resolve 'nobody'"),
            ("", "t", NotFound, "could not resolve"),
            ("{not a pid", "t", NotFound, "could not resolve"),
            (dead, "t", NotFound, "process not found"),
            ("{app:processes|0xfffff}", "t", NotFound, "process not found"),
            ("{other:host|0x00001}", "t", NotFound, "process not found"),
        ]:
            with pytest.raises(error, match=message):
                process.send(dest, topic, 1)

    run(main)


@pytest.mark.semantics("6.2")
def test_order_from_one_sender_is_kept_per_topic_and_over_all_topics(run):
    async def main():
        me, odd = process.pid(), process.listen("odd")
        for i in range(100):
            process.send(me, "odd" if i % 2 else f"topic {i % 3}", i)
        inbox = process.inbox()
        assert [await odd.receive() for _ in range(50)] == list(range(1, 100, 2))
        assert [(await inbox.receive()).payload for _ in range(50)] == list(range(0, 100, 2))

    run(main)


@pytest.mark.semantics("6.3")
def test_listen_gives_payloads_none_one_or_a_list(run):
    async def main():
        ch, me = process.listen("t"), process.pid()
        process.send(me, "t")
        process.send(me, "t", {"one": 1})
        process.send(me, "t", 1, "two", [3])
        return [await ch.receive() for _ in range(3)]

    assert run(main) == [None, {"one": 1}, [1, "two", [3]]]


@pytest.mark.semantics("6.3")
def test_the_same_topic_gives_the_same_channel(run):
    async def main():
        assert process.listen("t") is process.listen("t")
        assert process.inbox() is process.inbox()
        assert process.events() is process.events()
        messages = process.listen("m", message=True)
        assert process.listen("m") is messages
        for other in ({"message": False}, {"type": int}):
            with pytest.raises(Conflict, match="in another way"):
                process.listen("m", **other)

    run(main)


class Task(msgspec.Struct):
    id: int
    tags: list[str] = []


@dataclasses.dataclass
class Point:
    x: float


@pytest.mark.semantics("6.4")
def test_typed_listen_decodes_and_a_misfit_does_not_end_the_channel(run):
    async def main():
        me = process.pid()
        ch = process.listen("task", type=Task)
        for payload in ({"id": 1}, {"id": 2, "tags": ["a", 5]}, Task(3)):
            process.send(me, "task", payload)
        assert await ch.receive() == Task(1)
        with pytest.raises(Invalid, match=r"payload on 'task' does not fit Task.*`\$\.tags\[1\]`"):
            await ch.receive()
        got = await channel.select(ch)
        assert got.value == Task(3)
        process.send(me, "task", "nonsense")
        with pytest.raises(Invalid, match="does not fit"):
            await channel.select(ch)

        points = process.listen("point", type=Point, message=True)
        process.send(me, "point", {"x": 1.5})
        message = await points.receive()
        assert (message.payload, message.sender, message.topic) == (Point(1.5), me, "point")

    run(main)


@pytest.mark.semantics("6.5")
def test_a_message_that_came_before_listen_is_given_to_it(run):
    async def main():
        me = process.pid()
        for i in range(3):
            process.send(me, "t", i)
            process.send(me, "other", i)
        await time.sleep(0)
        inbox = process.inbox()
        ch = process.listen("t")
        assert [await ch.receive() for _ in range(3)] == [0, 1, 2]
        assert [(await inbox.receive()).topic for _ in range(3)] == ["other"] * 3
        assert (await channel.select(ch, inbox, default=True)).default

    run(main)


@pytest.mark.semantics("6.5")
def test_a_topic_never_reaches_both_a_listener_and_the_inbox(run):
    async def main():
        me, inbox, ch = process.pid(), process.inbox(), process.listen("t")
        process.send(me, "t", 1)
        process.send(me, "u", 2)
        got = [await channel.select(inbox, ch) for _ in range(2)]
        assert [g.channel for g in got] == [inbox, ch]
        assert (await channel.select(inbox, ch, default=True)).default

    run(main)


@pytest.mark.semantics("6.6")
def test_unlisten_closes_and_later_messages_fall_to_the_inbox(run):
    async def main():
        me, ch, inbox = process.pid(), process.listen("t"), process.inbox()
        process.send(me, "t", "before")
        process.unlisten(ch)
        process.send(me, "t", "after")
        assert await ch.receive() == "before"
        with pytest.raises(ChannelClosed):
            await ch.receive()
        assert (await inbox.receive()).payload == "after"
        again = process.listen("t")
        assert again is not ch
        process.send(me, "t", "again")
        assert await again.receive() == "again"
        again.close()  # the same as unlisten
        process.send(me, "t", "inbox")
        assert (await inbox.receive()).payload == "inbox"
        process.unlisten(again)
        for wrong in (inbox, process.events(), channel.new(), None, 5):
            with pytest.raises(Invalid, match="channel that listen gave"):
                process.unlisten(wrong)

    run(main)


@pytest.mark.semantics("6.7")
def test_a_message_has_sender_topic_and_payload(run):
    async def main():
        process.send(process.pid(), "t", [1])
        message = await process.inbox().receive()
        assert (message.sender, message.topic, message.payload) == (process.pid(), "t", [1])
        assert repr(message) == f"<Message 't' from {process.pid()}: [1]>"

    run(main)


@pytest.mark.semantics("6.7")
def test_a_message_that_no_process_sent_has_no_sender(node):
    async def answering():
        message = await process.listen("t", message=True).receive()
        message.reply([message.sender, message.payload])

    async def test(node):
        return await node.call(node.spawn(answering), "t", 5)

    assert node(test) == [None, 5]


@pytest.mark.semantics("6.8")
def test_a_full_mailbox_tells_the_sender_and_nothing_is_dropped(app):
    node_run = app(
        hosts={"small": "{mailbox: 10}"},
        entries={"main": "main.py"},
        files={
            "main.py": """
from procession import LimitExceeded, process
async def main():
    me, listened = process.pid(), process.listen("listened")
    topics = ["listened", "inbox", "other"]
    for i in range(10):
        process.send(me, topics[i % 3], i)
    for topic in topics:
        try:
            process.send(me, topic, "too much")
        except LimitExceeded as error:
            assert error.message.startswith("mailbox full"), error
            assert error.retryable
        else:
            raise AssertionError(topic)
    process.cancel(me)  # what the runtime has to say is not subject to the limit
    got = [await listened.receive()]
    process.send(me, "inbox", "fits again")
    got += [await listened.receive() for _ in range(3)]
    inbox = process.inbox()
    got += [(await inbox.receive()).payload for _ in range(7)]
    for i in range(10):
        process.send(me, "listened", i)
    return got
"""
        },
    )
    assert node_run("app:main") == [0, 3, 6, 9, 1, 2, 4, 5, 7, 8, "fits again"]


@pytest.mark.semantics("6.8")
def test_messages_of_a_channel_that_was_unlistened_do_not_fill_the_mailbox(app):
    node_run = app(
        hosts={"small": "{mailbox: 5}"},
        entries={"main": "main.py"},
        files={
            "main.py": """
from procession import process
async def main():
    me = process.pid()
    for _ in range(10):
        ch = process.listen("t")
        for i in range(5):
            process.send(me, "t", i)
        process.unlisten(ch)
    return "ok"
"""
        },
    )
    assert node_run("app:main") == "ok"


@pytest.mark.semantics("6.8")
def test_a_million_messages_to_one_process_arrive_or_are_refused(run):
    async def counter(parent):
        ch, total = process.listen("n"), 0
        process.send(parent, "ready")
        while (n := await ch.receive()) is not None:
            total += n
        return total

    async def main():
        ready = process.listen("ready")
        pid = process.spawn_monitored(counter, None, process.pid())
        await ready.receive()
        delivered = refused = 0
        while delivered < 1_000_000:
            try:
                process.send(pid, "n", 1)
                delivered += 1
            except LimitExceeded:
                refused += 1
                await time.sleep(0)
        await time.sleep(0)
        process.send(pid, "n", None)
        assert refused > 0
        return (await process.events().receive()).result

    assert run(main) == 1_000_000


async def server():
    async for message in process.listen("ask", message=True):
        match message.payload:
            case "echo":
                message.reply({"echo": True})
            case "twice":
                return [message.reply(1), message.reply(2)]
            case "refuse":
                message.reply(NotFound("no such thing"))
            case "bad":
                try:
                    message.reply(print)
                except Invalid:
                    message.reply("refused")
            case "die":
                raise ValueError("died")
            case "stop":
                return None


def test_call_gets_the_reply(run):
    async def main():
        pid = process.spawn_monitored(server, None)
        assert await process.call(pid, "ask", "echo") == {"echo": True}
        assert await process.call(pid, "ask", "bad") == "refused"
        with pytest.raises(NotFound, match="no such thing"):
            await process.call(pid, "ask", "refuse")
        assert await process.call(pid, "ask", "twice") == 1
        assert (await process.events().receive()).result == [True, False]

    run(main)


def test_call_fails_at_once_when_the_callee_dies_or_is_dead(run):
    from procession import Unavailable

    async def main():
        pid = process.spawn(server, None)
        with pytest.raises(Unavailable, match="has ended without a reply") as caught:
            await process.call(pid, "ask", "die", timeout=None)
        assert caught.value.details["error"]["message"] == "died"
        with pytest.raises(NotFound, match="process not found"):
            await process.call(pid, "ask", "echo")
        pid = process.spawn(server, None)
        with pytest.raises(Unavailable) as caught:
            await process.call(pid, "ask", "stop", timeout=None)
        assert caught.value.details["error"] is None
        assert (await channel.select(process.events(), default=True)).default

    run(main)


def test_call_gives_up_when_the_time_is_over_and_a_late_reply_is_told(run):
    from procession import Timeout

    async def slow():
        message = await process.listen("ask", message=True).receive()
        assert message.wants_reply
        await process.listen("go").receive()
        return message.reply("late")

    async def main():
        pid = process.spawn_monitored(slow, None)
        with pytest.raises(Timeout, match="no reply within 0.001 seconds"):
            await process.call(pid, "ask", timeout="1ms")
        process.send(pid, "go")
        return (await process.events().receive()).result

    assert run(main) is False


def test_a_plain_message_cannot_be_replied_to(run):
    async def main():
        process.send(process.pid(), "t", 1)
        message = await process.inbox().receive()
        assert not message.wants_reply
        with pytest.raises(Invalid, match="sent by send, not by call"):
            message.reply(2)

    run(main)


@pytest.mark.semantics("6.11")
def test_a_late_reply_is_counted_and_reaches_no_other_call(node):
    async def slow():
        asks = process.listen("ask", message=True)
        first = await asks.receive()
        second = await asks.receive()
        return [first.reply("first"), second.reply("second"), second.reply("again")]

    async def caller(pid):
        with pytest.raises(Timeout):
            await process.call(pid, "ask", timeout="1ms")
        return await process.call(pid, "ask")

    async def test(node):
        pid = node.spawn(slow)
        end = asyncio.create_task(node.wait(pid))
        assert await node.exec(caller, None, pid) == "second"
        assert await end == [False, True, False]
        return node.statistics()["late_replies"]

    assert node(test) == 2


class Add(msgspec.Struct):
    n: int


async def adds_messages():
    total = 0
    async for message in process.listen("add", type=Add, message=True):
        total += message.payload.n
        message.reply(total)


async def adds_payloads():
    total = 0
    for _ in range(2):
        total += (await process.listen("add", type=Add).receive()).n
    return total


async def adds_by_select():
    total, adds = 0, process.listen("add", type=Add, message=True)
    while True:
        message = (await channel.select(adds, time.after("1h"))).value
        total += message.payload.n
        message.reply(total)


@pytest.mark.semantics("6.4")
@pytest.mark.parametrize("server", [adds_messages, adds_by_select])
@pytest.mark.parametrize("waits", [True, False])
def test_a_call_that_does_not_fit_the_type_fails_and_its_server_goes_on(run, server, waits):
    async def main():
        pid = process.spawn(server, None)
        if waits:
            await time.sleep(0)
        for bad in ({"n": "many"}, {}, None):
            with pytest.raises(Invalid, match="payload on 'add' does not fit Add"):
                await process.call(pid, "add", bad)
        assert await process.call(pid, "add", {"n": 2}) == 2
        return await process.call(pid, "add", {"n": 3})

    assert run(main) == 5


@pytest.mark.semantics("6.4")
def test_a_call_that_does_not_fit_is_answered_also_where_only_payloads_are_received(run):
    async def main():
        pid = process.spawn_monitored(adds_payloads, None)
        with pytest.raises(Invalid, match="does not fit Add"):
            await process.call(pid, "add", "bad")
        for n in (1, 2):
            process.send(pid, "add", {"n": n})
        return (await process.events().receive()).result

    assert run(main) == 3


@pytest.mark.semantics("6.4")
def test_a_poll_of_a_typed_channel_passes_over_calls_that_do_not_fit(run):
    async def server():
        adds, go = process.listen("add", type=Add), process.listen("go")
        await go.receive()
        return [(await channel.select(adds, default=True)).default for _ in range(2)]

    async def calls(pid):
        await process.call(pid, "add", "bad")

    async def main():
        pid = process.spawn_monitored(server, None)
        caller = process.spawn_monitored(calls, None, pid)
        await time.sleep("1ms")
        process.send(pid, "add", {"n": 1})
        process.send(pid, "go")
        ends = {}
        for _ in range(2):
            event = await process.events().receive()
            ends[event.sender] = event
        assert isinstance(ends[caller].error, Invalid)
        return ends[pid].result

    assert run(main) == [False, True]


@pytest.mark.semantics("6.10")
def test_a_mailbox_is_bounded_by_bytes(run):
    async def deaf():
        await process.listen("go").receive()
        numbers, total = process.listen("n"), 0
        while not (one := await channel.select(numbers, default=True)).default:
            total += len(one.value["text"])
        return total

    async def main():
        pid, sent = process.spawn_monitored(deaf, None), 0
        with pytest.raises(LimitExceeded, match="mailbox full") as caught:
            while True:
                process.send(pid, "n", {"text": "x" * 100_000})
                sent += 1
        assert caught.value.retryable is True
        assert 9 <= sent <= 10
        process.send(pid, "go")
        return (await process.events().receive()).result == 100_000 * sent

    assert run(main, settings={"mailbox_bytes": "1MiB"}) is True
