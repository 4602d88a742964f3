cimport cython

from procession.core cimport links
from procession.core.call cimport PendingCall, Waiting
from procession.core.deadlines cimport Deadlines
from procession.core.host cimport Host
from procession.core.lane cimport SystemLane
from procession.core.mailbox cimport Mailbox
from procession.core.names cimport NameRegistry
from procession.core.process cimport Process, Router
from procession.core.readiness cimport Readiness
from procession.core.scheduler cimport Scheduler


cdef class Kernel(Router):
    cdef object __weakref__
    cdef object _load
    cdef public object check_declared
    cdef public dict programs
    cdef public dict functions
    cdef object _wall
    cdef public dict processes
    cdef public dict hosts
    cdef public NameRegistry names
    cdef public Readiness readiness
    cdef public dict leaving
    cdef public Deadlines deadlines
    cdef object _on_failure
    cdef object _serial
    cdef public object exchange
    cdef public Py_ssize_t late_replies
    cdef public SystemLane lane

    @cython.locals(process=Process, scheduler=Scheduler, host=Host)
    cpdef spawn(
        self, Process caller, entry, host_id, args, bint linked=*, bint monitored=*, name=*,
        keeper=*, heritage=*, bint to_execute=*
    )
    cpdef exited(self, Process process, result, error, bint noticed=*)
    cpdef doom(self, Process process, error, cleanup=*)
    cpdef resolve(self, dest)
    @cython.locals(process=Process, mailbox=Mailbox)
    cpdef post(self, Process caller, dest, topic, payload, reply_to=*)
