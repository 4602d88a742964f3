cimport cython

from procession.core.channel cimport ReceiveChannel
from procession.core.mailbox cimport TopicChannel
from procession.core.scheduler cimport Scheduler
from procession.guests.lua.answer cimport Answered
from procession.guests.lua.crossing cimport LuaCoroutine
from procession.guests.lua.watch cimport Watch

cdef object NOTHING, WITHOUT_MEMORY, OBJECTS, PULL, SELECT, SPAWN


cdef class LuaBody(Answered):
    cdef public Py_ssize_t chain_before
    cdef public double computed
    cdef public LuaCoroutine coroutine
    cdef public bint exceeded
    cdef public Watch guard
    cdef public size_t pointer
    cdef public object step_limit
    cdef public object wait
    cdef public object waited_at

    @cython.locals(
        coroutine=LuaCoroutine, guard=Watch, channel=ReceiveChannel, scheduler=Scheduler, answer=tuple
    )
    cpdef step(self)
    cpdef ended(self, result, error)
    @cython.locals(scheduler=Scheduler)
    cdef bint _is_out_of_credit(self, tuple answer) except -1
    cdef bint _may_go_on(self) except -1
    cdef _continue_later(self, tuple answer)
    cdef _interrupted(self)
    cdef tuple _asked(self, tuple trapped)
    cdef tuple _drive(self, wait)
    cdef _finished(self, what, tuple trapped)
    cpdef drop(self)
