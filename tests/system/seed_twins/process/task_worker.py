"""Worker process."""

from procession import time


async def main(task):
    # Simulate work
    await time.sleep("100ms")
    # Process task
    result = task["value"] * 2
    return result
