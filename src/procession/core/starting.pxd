cimport cython

from procession.core cimport links
from procession.core.host cimport Host
from procession.core.names cimport NameRegistry
from procession.core.process cimport Process, Router
from procession.core.scheduler cimport Scheduler


cdef class Starter(Router):
    cdef object _load
    cdef public object check_declared
    cdef public dict programs
    cdef public dict functions
    cdef public dict processes
    cdef public dict hosts
    cdef public NameRegistry names
    cdef object _serial

    @cython.locals(process=Process, scheduler=Scheduler, host=Host)
    cpdef spawn(
        self, Process caller, entry, host_id, args, bint linked=*, bint monitored=*, name=*,
        keeper=*, heritage=*, bint to_execute=*
    )
