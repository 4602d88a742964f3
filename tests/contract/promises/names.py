"""SEMANTICS 12 and 13: names and time."""

import asyncio
from datetime import timedelta

import pytest
from promises.children import beside, child, end_of, far, near, pairs, promise, waits_forever

from procession import AlreadyExists, Invalid, NotFound, Timeout, channel, process, time

registry = process.registry


@promise("12.1", "12.3")
async def a_name_is_found_by_everybody_as_soon_as_register_returns():
    async for one, two in pairs():
        assert await one.do("register", "found-by-all") is True
        for who in (two, one, await beside(two)):
            assert await who.do("lookup", "found-by-all") == one.pid
        assert registry.lookup("found-by-all") == one.pid
        assert await two.do("unregister", "found-by-all") is True
        for who in (two, one, await beside(two)):
            with pytest.raises(NotFound, match="name not registered"):
                await who.do("lookup", "found-by-all")
        with pytest.raises(NotFound, match="name not registered"):
            registry.lookup("found-by-all")


@promise("12.1")
async def the_same_pair_again_does_nothing_and_another_pid_already_exists():
    async for one, two in pairs():
        for _ in range(2):
            assert await one.do("register", "taken") is True
        with pytest.raises(AlreadyExists):
            await two.do("register", "taken")
        with pytest.raises(AlreadyExists):
            registry.register("taken")
        assert await two.do("register", "taken", one.pid) is True
        assert await two.do("lookup", "taken") == one.pid
        assert registry.unregister("taken") is True
        assert await one.do("register", "taken") is True
        assert await two.do("unregister", "taken") is True


@promise("12.1")
async def of_all_who_register_a_name_at_the_same_time_one_has_it():
    puppets = [await where() for where in (near, far, near, far)]
    for _ in range(5):
        for one in puppets:
            one.tell("register", "wanted by all")
        for one in puppets:
            await one.do("os_pid")
        owner = registry.lookup("wanted by all")
        assert owner in {one.pid for one in puppets}
        for one in puppets:
            assert await one.do("lookup", "wanted by all") == owner
        assert registry.unregister("wanted by all") is True


@promise("12.1")
async def unregister_says_whether_anybody_had_the_name():
    for where in (near, far):
        puppet = await where()
        assert await puppet.do("unregister", "nobody-has-it") is False
        registry.register("mine")
        assert await puppet.do("unregister", "mine") is True
        assert registry.unregister("mine") is False


@promise("12.1")
async def a_name_may_be_given_to_another():
    async for one, two in pairs():
        assert await one.do("register", "given", two.pid) is True
        assert await two.do("lookup", "given") == two.pid
        process.send("given", "value", "for the owner")
        assert await two.do("receive", "value") == "for the owner"
        process.monitor(two.pid)
        two.tell("return", None)
        await end_of(two.pid)
        with pytest.raises(NotFound):
            await one.do("lookup", "given")


@promise("12.1")
async def a_name_is_not_given_to_the_dead():
    for where in (near, far):
        puppet = await where()
        process.monitor(puppet.pid)
        puppet.tell("return", None)
        await end_of(puppet.pid)
        with pytest.raises(NotFound):
            registry.register("of the dead", puppet.pid)
        with pytest.raises(NotFound):
            registry.lookup("of the dead")


@promise("12.2")
async def a_process_may_own_many_names():
    for where in (near, far):
        owner = await where()
        names = [f"one of many {i}" for i in range(20)]
        for name in names:
            await owner.do("register", name)
        for name in names:
            assert registry.lookup(name) == owner.pid
        process.monitor(owner.pid)
        process.terminate(owner.pid)
        await end_of(owner.pid)
        for name in names:
            with pytest.raises(NotFound):
                registry.lookup(name)


@promise("12.2")
async def a_string_that_parses_as_a_pid_is_never_a_name():
    for where in (near, far):
        puppet = await where()
        for name in (puppet.pid, process.pid()):
            with pytest.raises(Invalid):
                registry.register(name)
            with pytest.raises(Invalid):
                await puppet.do("register", name)


@promise("12.1", "9.1", "10.2")
async def a_name_stands_for_its_owner_in_every_call():
    for where in (near, far):
        puppet = await where()
        await puppet.do("register", "stands for it")
        assert process.monitor("stands for it") is True
        with pytest.raises(AlreadyExists):
            process.monitor(puppet.pid)
        assert process.link("stands for it") is True
        assert process.unlink("stands for it") is True
        assert await process.call("stands for it", "do", ["pid"]) == puppet.pid
        process.cancel("stands for it", "by its name")
        assert (await puppet.event())["reason"] == "by its name"
        process.terminate("stands for it")
        await end_of(puppet.pid)


@promise("12.1", "12.3")
async def a_name_follows_its_owners():
    for _ in range(3):
        for where in (near, far):
            owner = await where()
            await owner.do("register", "follows")
            process.send("follows", "value", owner.pid)
            assert await owner.do("receive", "value") == owner.pid
            process.monitor(owner.pid)
            owner.tell("return", None)
            await end_of(owner.pid)


@promise("12.4")
async def a_process_has_its_name_before_it_runs():
    for number in range(8):  # some here, some elsewhere
        pid = child(waits_forever, name=f"named {number}")
        assert registry.lookup(f"named {number}") == pid
        process.monitor(pid)
        assert (await where_is(f"named {number}")) == pid
        process.terminate(pid)
        await end_of(pid)
        with pytest.raises(NotFound):
            registry.lookup(f"named {number}")


async def where_is(name):
    puppet = await far()
    return await puppet.do("lookup", name)


@promise("12.4")
async def nobody_is_spawned_under_a_name_that_is_taken():
    for where in (near, far):
        owner = await where()
        await owner.do("register", "taken before")
        for _ in range(4):
            with pytest.raises(AlreadyExists, match="taken before"):
                child(waits_forever, name="taken before")
        with pytest.raises(AlreadyExists):
            await process.exec("promises.children:waits_forever", None, name="taken before")
        assert registry.lookup("taken before") == owner.pid
        await owner.do("unregister", "taken before")
    for wrong in ("", process.pid()):
        with pytest.raises(Invalid):
            child(waits_forever, name=wrong)


@promise("12.4")
async def a_name_can_be_waited_for():
    owner = await far()
    waiting = asyncio.create_task(registry.wait("awaited", "20s"))
    await time.sleep("1ms")
    assert not waiting.done()
    await owner.do("register", "awaited")
    assert await waiting == await registry.wait("awaited") == owner.pid
    with pytest.raises(Timeout, match="name 'never' was not registered within 0.005 seconds"):
        await registry.wait("never", timeout="5ms")
    with pytest.raises(Invalid):
        await registry.wait(owner.pid)


@promise("13.1")
async def a_duration_is_a_string_a_number_of_seconds_or_a_timedelta():
    for duration in ("1ms", 0.001, timedelta(milliseconds=1), 0):
        await time.sleep(duration)
    assert time.seconds("1h30m") == 5400
    for wrong in ("5", "1 fortnight", ""):
        with pytest.raises(Invalid):
            await time.sleep(wrong)


@promise("13.2")
async def after_gives_one_value_and_closes():
    ch = time.after("1ms")
    assert (await channel.select(ch)).ok is True
    assert (await channel.select(ch)).ok is False


@promise("13.2")
async def a_timer_can_be_stopped_and_a_ticker_ticks():
    pid = child(waits_forever)
    timer, ticker = time.timer("1ms"), time.ticker("1ms")
    assert timer.stop() is True
    for _ in range(2):
        got = await channel.select(timer.channel, ticker.channel)
        assert got.channel is ticker.channel
    ticker.stop()
    process.terminate(pid)
