cdef class Readiness:
    cdef public dict known
