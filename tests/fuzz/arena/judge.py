"""Collects what is wrong."""

from procession import channel, process


async def main():
    process.registry.register("judge")
    bugs, ask = process.listen("bug"), process.listen("ask", message=True)
    found = []
    while True:
        got = await channel.select(bugs, ask)
        if got.channel is bugs:
            found.append(got.value)
        else:
            got.value.reply(found)
