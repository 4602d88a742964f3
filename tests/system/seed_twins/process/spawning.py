from procession import process


async def main():
    pid = process.spawn("app.test.process:echo_worker", "app:processes", "hello")
    # pid is a string identifier for the spawned process
    print("Started worker:", pid)
