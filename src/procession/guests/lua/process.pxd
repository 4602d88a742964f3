cimport cython

from procession.core.scheduler cimport Scheduler
from procession.guests.lua.crossing cimport LuaCoroutine
from procession.guests.lua.strand cimport LuaBody
from procession.guests.lua.watch cimport Watch

cdef object READY


cdef class LuaProcess(LuaBody):
    cdef object _account
    cdef public dict attached
    cdef public object closing
    cdef public dict context
    cdef public bint extended
    cdef public LuaBody interrupted
    cdef public list launching
    cdef public dict strands
    cdef public list unlistened
    cdef public object upgradable

    cpdef launch(self, chunk, args)
    @cython.locals(scheduler=Scheduler, guard=Watch, coroutine=LuaCoroutine, what=tuple)
    cdef tuple _run_chunk(self, entry, chunk)
    cpdef ended(self, result, error)
    cpdef drop_attached(self)
    cdef _settle(self, state)
    cdef _drop_strands(self)
    cdef _drop_parcels(self, state)


cdef class LuaStrand(LuaBody):
    cdef public LuaProcess owner

    cpdef ended(self, result, error)


cdef tuple _arguments(args)
