cimport cython

from procession.core.switch cimport RunQueue
from procession.core.timers cimport Timer, TimerQueue

cdef object NOTHING, PARKED


cdef class Parking:
    cdef public Scheduler scheduler

    cpdef attempt(self)
    cpdef next_turn(self)
    cpdef enlist(self, strand)
    cpdef outcome(self, value)
    cpdef withdraw(self, strand)
    cpdef restore(self, value, turn=*)
    cpdef take_back(self, value, sender, long long order)


cdef class Waiter:
    cpdef bint offer(self, value, at, turn=*, long long order=*) except -1
    cpdef bint waits_at(self, at) except -1


cdef class Strand(Waiter):
    cdef public Scheduler scheduler
    cdef public object value
    cdef public object parked
    cdef public object turn
    cdef public long long order

    cpdef step(self)
    cpdef wake(self, value)
    cpdef parks(self, at)
    cpdef unparks(self, at)


cdef class Scheduler:
    cdef public object clock
    cdef public RunQueue ready
    cdef public TimerQueue timers
    cdef public Strand current
    cdef public bint awake
    cdef public double turn_seconds
    cdef public long credit
    cdef long _per_look
    cdef long _looks
    cdef double _looked
    cdef double _turn_ends
    cdef public object thread
    cdef public bint stepped
    cdef public long tasks
    cdef object _notify
    cdef object _adopt

    cpdef rouse(self)
    cpdef Strand strand(self)
    @cython.locals(strand=Strand, ready=RunQueue, started=double, end=double, steps=int)
    cpdef run(self)
    @cython.locals(now=double)
    cpdef bint is_turn_over(self) except -1
    @cython.locals(strand=Strand)
    cpdef Strand repay(self, at=*, value=*, turn=*)
    cpdef Timer call_at(self, when, callback)
    cpdef Timer call_later(self, delay, callback)
