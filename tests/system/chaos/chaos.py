"""The processes of the chaos test."""

import os
import random

from procession import AlreadyExists, Error, NotFound, channel, process, time


def wrong(text):
    process.send("judge", "wrong", text)


async def station(name):
    """It has a name, counts what it is sent, and tells the judge what is wrong."""
    try:
        process.registry.register(name)
    except AlreadyExists as error:
        wrong(f"{name}: its name is not free: {error}")
        raise
    numbers, asks = process.listen("n", message=True), process.listen("ask", message=True)
    last = {}
    while True:
        got = await channel.select(numbers, asks)
        message = got.value
        if got.channel is asks:
            message.reply(name)
            continue
        before = last.get(message.sender)
        if before is not None and message.payload <= before:
            wrong(f"{name}: {message.payload} after {before} from {message.sender}")
        last[message.sender] = message.payload
        if message.payload % 997 == 0:
            raise RuntimeError("a station fails on its own")


async def sender(seed, names):
    """Sends numbers, ever higher ones, to stations by name."""
    chance = random.Random(seed)
    stop = process.listen("stop")
    number = 0
    while True:
        for _ in range(20):
            number += 1
            try:
                process.send(chance.choice(names), "n", number)
            except Error:
                continue  # nobody has that name at the moment, or it is flooded
        got = await channel.select(stop, time.after("5ms"))
        if got.channel is stop:
            return number


async def watcher(seed, names):
    """Monitors whoever has one of the names; each must be heard of once."""
    chance = random.Random(seed)
    events, stop = process.events(), process.listen("stop")
    watched, heard = set(), 0
    while True:
        try:
            pid = process.registry.lookup(chance.choice(names))
            process.monitor(pid)
            watched.add(pid)
        except (NotFound, AlreadyExists):
            pass  # nobody has that name at the moment, or it is watched already
        got = await channel.select(events, stop, time.after("3ms"))
        if got.channel is events:
            heard += 1
            if got.value.sender not in watched:
                wrong(f"a second EXIT of {got.value.sender}, or one that nobody asked for")
            watched.discard(got.value.sender)
        elif got.channel is stop:
            break
    # What is still watched has to be alive: else its EXIT is missing.
    for pid in sorted(watched):
        try:
            await process.call(pid, "ask", None, "10s")
        except Error as error:
            while (got := await channel.select(events, time.after("5s"))).channel is events:
                heard += 1
                if got.value.sender == pid:
                    break
            else:
                wrong(f"no EXIT of {pid}: {error}")
    return heard


async def os_pid():
    return os.getpid()
