"""A process that counts: one for each visitor, state and all."""

from procession import process


async def main(start: int = 0):
    total = start
    async for message in process.listen("add", message=True):
        total += message.payload
        message.reply(total)
