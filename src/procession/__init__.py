"""Erlang-style processes for Python: isolated, cheap, watched and linked.

The floors, each importing only from those below it:

    cli                                   the command line
    node                                  puts everything together: manifest in, running node out
    hosts                                 where processes run: the event loop
    guests                                what runs in a process: a Python coroutine
    process, channel, time, current       the face: what process code imports
    manifest                              what an app says of itself
    core                                  the machine: no I/O, no loop, no clock of its own
"""

from procession import channel as channel
from procession import process as process
from procession import time as time
from procession.core.errors import AlreadyExists as AlreadyExists
from procession.core.errors import Canceled as Canceled
from procession.core.errors import ChannelClosed as ChannelClosed
from procession.core.errors import Conflict as Conflict
from procession.core.errors import Error as Error
from procession.core.errors import Internal as Internal
from procession.core.errors import Invalid as Invalid
from procession.core.errors import LimitExceeded as LimitExceeded
from procession.core.errors import NotFound as NotFound
from procession.core.errors import PermissionDenied as PermissionDenied
from procession.core.errors import ProcessTerminated as ProcessTerminated
from procession.core.errors import RateLimited as RateLimited
from procession.core.errors import Timeout as Timeout
from procession.core.errors import Unavailable as Unavailable
from procession.node import Node as Node
from procession.node import run as run
