"""Worker that listens for messages on "messages" topic."""

from procession import process


async def main():
    ch = process.listen("messages")
    msg = await ch.receive()
    if msg:
        # msg is the payload directly
        print("Received:", msg)
        return True
    return False
