"""The manifest does not declare it: it runs only if somebody got out."""

from procession import process


async def main(*args):
    process.send("judge", "bug", f"{process.pid()} is a process that the manifest does not declare")
