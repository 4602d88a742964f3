cimport cython

from procession.core.mailbox cimport Mailbox
from procession.core.process cimport Process
from procession.core.scheduler cimport Scheduler
from procession.guests.lua.process cimport LuaProcess


cdef class Sender:
    cdef object _kernel
    cdef dict _names
    cdef dict _parcels
    cdef object _part
    cdef dict _processes
    cdef Scheduler _scheduler

    cpdef send(self, dest, topic, value=*)
    cpdef send_copy(self, dest, topic, number)
    @cython.locals(me=Process, local=Process, mailbox=Mailbox)
    cdef _deliver(self, target, topic, payload)
    cdef _parcel(self, number)
    cdef _resolve(self, dest)
