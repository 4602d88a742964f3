from procession import process


async def main():
    my_pid = process.pid()
    print("I am", my_pid)
