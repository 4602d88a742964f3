from procession.core.channel cimport ReceiveChannel


cdef class Events(ReceiveChannel):
    cdef public Py_ssize_t weight
    cdef public Py_ssize_t next_look

    cpdef bint exceeds(self, Py_ssize_t limit) except -1
