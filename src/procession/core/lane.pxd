cimport cython

from procession.core.process cimport Process
from procession.core.scheduler cimport Scheduler, Strand


cdef class SystemLane(Strand):
    cdef public object _doomed
    cdef bint _queued

    cpdef add(self, Process process, error, cleanup=*)
    @cython.locals(process=Process, scheduler=Scheduler)
    cpdef step(self)
    cpdef _queue(self)
