"""SEMANTICS 6: messages."""

import asyncio

import msgspec
import pytest
from promises.children import (
    TIMEOUT,
    arrived,
    beside,
    child,
    dead,
    echo,
    end_of,
    far,
    near,
    pairs,
    promise,
    takes_what_it_gets,
)

from procession import Invalid, NotFound, Timeout, Unavailable, channel, process


class Task(msgspec.Struct):
    id: int


@promise("6.1")
async def a_message_reaches_a_pid_and_a_name():
    for where in (near, far):
        puppet = await where()
        name = f"reached-{puppet.pid[-3:-1]}-{where.__name__}"
        await puppet.do("register", name)
        for dest in (puppet.pid, name):
            assert process.send(dest, "value", dest) is True
            assert await puppet.do("receive", "value") == dest


@promise("6.1")
async def the_errors_of_a_send_are_raised_and_nothing_is_delivered():
    for where in (near, far):
        puppet = await where()
        for dest, topic, error, message in (
            (puppet.pid, "@mine", Invalid, "@"),
            (puppet.pid, "", Invalid, "topic"),
            ("nobody has this name", "t", NotFound, "could not resolve"),
            ("", "t", NotFound, "could not resolve"),
        ):
            with pytest.raises(error, match=message):
                process.send(dest, topic, 1)
        process.send(puppet.pid, "only", 1)
        assert await puppet.do("receive_message") == [process.pid(), "only", 1]


@promise("6.1", "6.9")
async def a_send_to_a_dead_pid_is_not_found_or_lost():
    for pid in await dead():
        try:
            process.send(pid, "t", 1)
        except NotFound:
            pass
        assert await arrived(process.events()) == []


@promise("6.1", "9.1")
async def whoever_has_seen_exit_finds_the_pid_dead():
    for where in (near, far):
        for end in ("return", "fail"):
            puppet = await where()
            process.monitor(puppet.pid)
            puppet.tell(end, "of it")
            await end_of(puppet.pid)
            for act in (process.monitor, process.link, process.terminate, process.cancel):
                with pytest.raises(NotFound, match="process not found"):
                    act(puppet.pid)
            with pytest.raises(NotFound, match="process not found"):
                process.send(puppet.pid, "t", 1)


@promise("6.2")
async def messages_of_one_sender_arrive_in_their_order():
    n = 300
    senders = [await where() for where in (near, far, far)]
    numbers = process.listen("n", message=True)
    for sender in senders:
        sender.tell("many", process.pid(), ["n"], n)
    last = {sender.pid: -1 for sender in senders}
    for _ in range(n * len(senders)):
        message = await numbers.receive()
        assert message.payload == last[message.sender] + 1
        last[message.sender] = message.payload
    assert set(last.values()) == {n - 1}


@promise("6.2")
async def the_order_holds_over_all_topics():
    for where in (near, far):
        sender = await where()
        sender.tell("many", process.pid(), ["a", "b", "c"], 60)
        inbox = process.inbox()
        got = [await inbox.receive() for _ in range(60)]
        assert [(one.topic, one.payload) for one in got] == [("abc"[i % 3], i) for i in range(60)]


@promise("6.2")
async def a_reply_comes_after_what_was_sent_before_it():
    for where in (near, far):
        sender = await where()
        for _ in range(10):
            await sender.do("many", process.pid(), ["n"], 5)
            assert await arrived(process.listen("n")) == [0, 1, 2, 3, 4]


@promise("6.3")
async def a_payload_of_none_one_and_several():
    for where in (near, far):
        puppet = await where()
        for payload, got in (((), None), ((1,), 1), ((1, [2]), [1, [2]]), ((None,), None)):
            process.send(puppet.pid, "value", *payload)
            assert await puppet.do("receive", "value") == got


@promise("6.3")
async def the_same_topic_is_the_same_channel():
    assert process.listen("t") is process.listen("t")
    assert process.inbox() is process.inbox()
    assert process.events() is process.events()


@promise("6.4")
async def a_payload_that_does_not_fit_is_invalid_at_receive_and_the_channel_goes_on():
    tasks = process.listen("task", type=Task)
    for where in (near, far):
        puppet = await where()
        for payload in ({"id": 1}, {"id": "no number"}, {"id": 2}):
            await puppet.do("send", process.pid(), "task", payload)
        assert await tasks.receive() == Task(1)
        with pytest.raises(Invalid, match="id"):
            await tasks.receive()
        assert await tasks.receive() == Task(2)


@promise("6.5")
async def a_message_that_came_before_listen_is_given_to_it():
    for where in (near, far):
        puppet = await where()
        for topic in ("early", "other"):
            await puppet.do("send", process.pid(), topic, puppet.pid)
        assert await process.listen("early").receive() == puppet.pid
        message = await process.inbox().receive()
        assert (message.topic, message.payload) == ("other", puppet.pid)
        process.unlisten(process.listen("early"))


@promise("6.5")
async def a_topic_reaches_a_listener_or_the_inbox_and_never_both():
    heard, inbox = process.listen("heard"), process.inbox()
    for where in (near, far):
        puppet = await where()
        await puppet.do("many", process.pid(), ["heard", "unheard"], 40)
        assert await arrived(heard) == list(range(0, 40, 2))
        assert [one.payload for one in await arrived(inbox)] == list(range(1, 40, 2))


@promise("6.6")
async def what_comes_after_unlisten_falls_to_the_inbox():
    for where in (near, far):
        puppet = await where()
        topic = process.listen("topic")
        await puppet.do("send", process.pid(), "topic", "before")
        assert await topic.receive() == "before"
        process.unlisten(topic)
        await puppet.do("send", process.pid(), "topic", "after")
        assert (await channel.select(topic)).ok is False
        assert (await process.inbox().receive()).payload == "after"


@promise("6.7")
async def a_message_says_who_sent_it_on_which_topic():
    for _ in range(3):
        pid = child(takes_what_it_gets, 2, how="spawn_monitored")
        for topic, value in (("one", 1), ("two", {"a": 2})):
            process.send(pid, topic, value)
        me = process.pid()
        assert (await end_of(pid)).result == [[me, "one", 1], [me, "two", {"a": 2}]]


@promise("6.1")
async def a_message_to_oneself_arrives():
    assert process.send(process.pid(), "self", [1]) is True
    assert await process.listen("self").receive() == [1]


@promise("6.2", "6.3")
async def calls_at_the_same_time_get_their_own_replies():
    puppets = [await where() for where in (near, far, near, far)]
    answers = await asyncio.gather(*(one.do("pid") for one in puppets * 10))
    assert answers == [one.pid for one in puppets] * 10


@promise("6.3")
async def a_call_to_one_that_ends_without_a_reply_is_unavailable_at_once():
    async for one, two in pairs():
        with pytest.raises(Unavailable, match="ended without a reply"):
            await one.do("call", two.pid, "do", ["return", None], TIMEOUT)


@promise("6.3")
async def a_call_that_nobody_answers_ends_with_its_timeout():
    for where in (near, far):
        puppet = await where()
        with pytest.raises(Timeout):
            await process.call(puppet.pid, "nobody listens", None, timeout="5ms")
        assert await puppet.do("pid") == puppet.pid


@promise("6.1", "6.9")
async def a_call_to_a_dead_pid_fails():
    for pid in await dead():
        with pytest.raises((NotFound, Unavailable)):
            await process.call(pid, "do", ["pid"], timeout=TIMEOUT)


@promise("6.1", "7.2", "9.1")
async def a_flood_to_one_that_ends_is_taken_or_not_found():
    for where in (near, far):
        puppet = await where()
        witness = await beside(puppet)
        await witness.do("monitor", puppet.pid)
        puppet.tell("return", None)
        try:
            for i in range(200):
                process.send(puppet.pid, "t", i)
                if i % 100 == 0:
                    await process.exec(echo, None)
        except NotFound:
            pass
        assert (await witness.event())["sender"] == puppet.pid
        assert await witness.poll() == []
