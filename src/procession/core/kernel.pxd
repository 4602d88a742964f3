cimport cython

from procession.core cimport links
from procession.core.call cimport PendingCall, Waiting
from procession.core.deadlines cimport Deadlines
from procession.core.lane cimport SystemLane
from procession.core.mailbox cimport Mailbox
from procession.core.process cimport Process
from procession.core.readiness cimport Readiness
from procession.core.starting cimport Starter


cdef class Kernel(Starter):
    cdef object __weakref__
    cdef object _wall
    cdef public Readiness readiness
    cdef public dict leaving
    cdef public Deadlines deadlines
    cdef object _on_failure
    cdef public object exchange
    cdef public Py_ssize_t late_replies
    cdef public SystemLane lane

    cpdef exited(self, Process process, result, error, bint noticed=*)
    cpdef doom(self, Process process, error, cleanup=*)
    cpdef resolve(self, dest)
    @cython.locals(process=Process, mailbox=Mailbox)
    cpdef post(self, Process caller, dest, topic, payload, reply_to=*)
