"""What something costs the processor, to be compared with what else costs it as much."""

from time import process_time

from lupa import lua54


def cost(work, *args):
    """The seconds of the processor that a call takes. They mean nothing by themselves."""
    began = process_time()
    work(*args)
    return process_time() - began


def cost_in_stock_lua(program):
    """What the main of a program costs in Lua itself."""
    return cost(lua54.LuaRuntime().execute(program).main)


def filled(line, length):
    """A program of that length, made of one line."""
    return line * (length // len(line) + 1)
