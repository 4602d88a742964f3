"""Gives back what it is given."""

from procession import process


async def main(value):
    return value


async def back():
    messages = process.listen("value", message=True)
    async for message in messages:
        message.reply(message.payload)
