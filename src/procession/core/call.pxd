cimport cython

from procession.core cimport links
from procession.core.process cimport Process, Router
from procession.core.scheduler cimport Parking, Scheduler, Strand
from procession.core.timers cimport Timer
from procession.core.wait cimport wait

cdef object EMPTY, Error


cdef class Awaited(Parking):
    cdef object __weakref__
    cdef Strand _strand
    cdef object _outcome
    cdef object _timeout
    cdef Timer _timer

    cpdef run(self)
    cpdef ask(self)
    cpdef leave(self)
    @cython.locals(scheduler=Scheduler)
    cpdef attempt(self)
    cpdef enlist(self, strand)
    @cython.locals(strand=Strand)
    cpdef bint settle(self, outcome) except -1
    @cython.locals(timer=Timer)
    cpdef stop(self)
    cpdef outcome(self, value)


cdef class PendingCall(Awaited):
    cdef Router _kernel
    cdef Process _caller
    cdef object _dest
    cdef object _topic
    cdef object _payload
    cdef object _target

    cpdef ask(self)
    cpdef leave(self)
    cpdef outcome(self, value)
    cpdef bint answer(self, reply) except -1


cdef class Waiting(Awaited):
    cdef object _process

    cpdef ask(self)
    cpdef leave(self)
    cpdef outcome(self, value)
