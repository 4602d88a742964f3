"""Collects what is wrong, and hears of the end of every process that it is told of."""

from procession import Error, channel, process


async def main():
    process.registry.register("judge")
    events, watch = process.events(), process.listen("watch")
    bugs, ask = process.listen("bug"), process.listen("ask", message=True)
    found, watched = [], {}
    while True:
        # The first that is ready wins: whoever asks hears of all that has happened.
        got = await channel.select(events, watch, bugs, ask)
        if got.channel is events:
            del watched[got.value.sender]
        elif got.channel is watch:
            try:
                process.monitor(got.value)
                watched[got.value] = None
            except Error:
                pass  # it has ended already, or is watched
        elif got.channel is bugs:
            found.append(got.value)
        else:
            got.value.reply([*found, *(f"no EXIT of {pid} was seen" for pid in watched)])
