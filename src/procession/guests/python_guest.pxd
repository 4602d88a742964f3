cimport cython

from procession.core.host cimport Host
from procession.core.kernel cimport Kernel
from procession.guests.python cimport PythonProcess


cdef class PythonGuest:
    cdef public object loop
    cdef public object new_context
    cdef object _hooks


cdef class PythonProgram:
    cdef PythonGuest _guest
    cdef public object function
    cdef public object entry
    cdef public object _types
    cdef public bint _typed

    @cython.locals(process=PythonProcess)
    cpdef start(self, kernel, host, pid, args)
    cdef _call(self, args)
