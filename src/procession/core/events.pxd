from procession.core.channel cimport ReceiveChannel
from procession.core.switch cimport untrack


cdef class Events(ReceiveChannel):
    cdef public Py_ssize_t weight
    cdef public Py_ssize_t next_look

    cpdef bint exceeds(self, Py_ssize_t limit) except -1
