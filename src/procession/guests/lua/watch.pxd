cdef class Watch:
    cdef public object running
    cdef public bint entered
    cdef public bint asleep
    cdef public Py_ssize_t interrupted
    cdef public double since
    cdef public object armed

    cpdef enter(self, strand)
    cpdef tuple suspend(self)
    cpdef resume(self, tuple suspended)
