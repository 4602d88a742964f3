"""Worker process."""

from procession import time


async def main(task):
    # Simulate work
    await time.sleep("100ms")
    # Process task
    return task["value"] * 2
