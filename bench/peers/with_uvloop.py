"""The programs of with_asyncio.py on the event loop of uvloop."""

import uvloop
import with_asyncio
import work

if __name__ == "__main__":
    work.main(vars(with_asyncio), lambda program, n: uvloop.run(program(n)))
