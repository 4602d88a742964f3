cimport cython

from procession.core.events cimport Events
from procession.core.host cimport Host
from procession.core.link_failure cimport link_failure
from procession.core.mailbox cimport Mailbox
from procession.core.scheduler cimport Scheduler, Strand

cdef object CANCEL, LINK_DOWN, EVENT, SCALARS, WEIGHTLESS


cdef class Router:
    cdef public Scheduler scheduler

    cpdef post(self, Process caller, dest, topic, payload, reply_to=*)
    cpdef exited(self, Process process, result, error, bint noticed=*)
    cpdef doom(self, Process process, error, cleanup=*)


cdef class Process(Strand):
    cdef object __weakref__
    cdef public Mailbox _mailbox
    cdef public object entry
    cdef public Host host
    cdef public Router kernel
    cdef public dict links
    cdef public dict monitoring
    cdef public dict more_watchers
    cdef public dict names
    cdef public object pid
    cdef public object program
    cdef public object thread
    cdef public bint trap_links
    cdef public object watcher

    cpdef down(self, exit)
    @cython.locals(mailbox=Mailbox, events=Events)
    cpdef tell(self, event)
    cpdef set_up(self, Router kernel, Host host, pid, program)
    cpdef kill(self, error, cleanup=*)
    cpdef link_down(self, exit)
