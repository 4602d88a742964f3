from procession.core.process cimport Process

cdef object PLAIN, CLOSED, PULL


cdef class Wrapped:
    cdef public object value


cdef class Sent:
    cdef public Py_ssize_t place


cdef class Answered(Process):
    cdef public object answer
    cdef public list handed
    cdef public object state
    cdef public Py_ssize_t taken

    cpdef tuple fit(self, tuple answer)
    cpdef tuple failed(self, error)
    cpdef tuple chosen(self, selected)
    cpdef tuple received(self, value)
    cdef tuple _answer(self, value, kind)
