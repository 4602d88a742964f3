"""What runs inside a process: a Python coroutine today, Lua next to it."""
