# cython: binding=False, embedsignature=True, embedsignature.format=clinic
"""`process.send`: see sending.py, whose compiled twin this is."""

from procession.core.process cimport Process
from procession.core.switch cimport running_here

from procession.core.text import exact
from procession.current import current as _current

cdef object current = _current


cdef object NOT_GIVEN = object()


def send(dest, topic, /, payload=NOT_GIVEN, *more):
    """Send a message: no payload arrives as None, one as itself, several as a list.

    Never waits. The payload is copied. Order is kept from one sender to one receiver. Raises
    NotFound for an unknown name or dead PID, LimitExceeded when the mailbox is full, Invalid for
    a topic starting with `@` or a payload that cannot cross; then nothing is delivered.
    """
    cdef Process me
    running = running_here()
    if running is None:
        me = current()
    else:
        me = <Process>running
    if type(topic) is not str:
        topic = exact(topic)
    if payload is NOT_GIVEN:
        payload = None
    elif more:
        payload = (payload, *more)
    me.kernel.post(me, dest, topic, payload)
    return True
