cimport cython

from procession.core.channel cimport ReceiveChannel
from procession.core.events cimport Events
from procession.core.host cimport Host
from procession.core.scheduler cimport Scheduler, Waiter
from procession.core.switch cimport Ring, track, untrack

cdef object CLOSED, EMPTY, SMALL, WEIGHTLESS


cdef class _MailboxChannel(ReceiveChannel):
    cdef public Mailbox _mailbox
    cdef public bint as_messages
    cdef public bint detached
    cdef public object topic

    cpdef opened(self, letter)
    cpdef letter_of(self, value, sender, long long order)


cdef class TopicChannel(_MailboxChannel):
    cdef public bint messages
    cdef public object payload_type


cdef class Inbox(_MailboxChannel):
    pass


cdef class Mailbox:
    cdef Scheduler _scheduler
    cdef public Host host
    cdef long long _arrivals
    cdef object _weigh
    cdef Py_ssize_t _light
    cdef long long _fit_until
    cdef public Py_ssize_t weight
    cdef public dict topics
    cdef public Ring pending
    cdef public Inbox inbox_channel
    cdef public Events events_channel
    cdef public bint events_wanted
    cdef public bint closed
    cdef public object owed
    cdef object _detached

    @cython.locals(channel=_MailboxChannel, receiver=Waiter, arrival=cython.longlong, took=cython.bint)
    cpdef deliver(self, sender, topic, payload, reply_to=*, bint accepted=*)
    cpdef end(self)
