cdef class Watch:
    cdef public object running
    cdef public bint entered
    cdef public bint asleep
    cdef public Py_ssize_t interrupted

    cpdef enter(self, strand)
