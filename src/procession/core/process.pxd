from procession.core.mailbox cimport Mailbox
from procession.core.scheduler cimport Strand


cdef class Router:
    cpdef post(self, Process caller, dest, topic, payload, reply_to=*)


cdef class Process(Strand):
    cdef object __weakref__
    cdef public Mailbox _mailbox
    cdef public object entry
    cdef public object host
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
    cpdef tell(self, event)
    cpdef link_down(self, exit)
