cimport cython

from procession.core.host cimport Host
from procession.core.process cimport Router
from procession.core.switch cimport resume, settle, throw, unsettle
from procession.guests.task_face cimport TaskFace

cdef object NOTHING, PARKED, RETURNED, THROWN, NORMAL_EXIT, Terminated, Unformatted, current_process, current_tasks


cdef class PythonProcess(TaskFace):
    cdef public object _ending
    cdef public object system_exit

    @cython.locals(patience=double)
    cpdef kill(self, error, cleanup=*)
    cpdef end(self, result, error, bint noticed=*)
    cpdef begin(self, Router kernel, Host host, pid, program, coro, loop, context)
