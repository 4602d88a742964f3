cimport cython

from procession.core.host cimport Host
from procession.core.process cimport Process, Router
from procession.core.switch cimport resume, settle, throw, unsettle

cdef object NOTHING, PARKED, RETURNED, THROWN, NORMAL_EXIT, Terminated, Unformatted, current_process, current_tasks


cdef class PythonProcess(Process):
    cdef public object _belongings
    cdef object _cancel_message
    cdef Py_ssize_t _cancels
    cdef public object _context
    cdef public object _coro
    cdef bint _detour
    cdef public object _ending
    cdef public object _failure
    cdef public object _fut_waiter
    cdef public object _loop
    cdef public bint _must_cancel
    cdef object _name
    cdef bint _struck
    cdef public object system_exit

    @cython.locals(patience=double)
    cpdef kill(self, error, cleanup=*)
    cpdef end(self, result, error, bint noticed=*)
    cpdef begin(self, Router kernel, Host host, pid, program, coro, loop, context)
