"""The machine: processes, mailboxes, channels, links, names and time, without I/O.

It knows no event loop, thread, socket, wall clock or randomness. Clock, run queue and
"there is work" are handed to it, so the same code runs on asyncio, in an OS worker and
in a simulation. Read in this order: errors, pid, payload, message, event; channel,
mailbox, timers, names, host; scheduler, process, links; kernel.
"""
