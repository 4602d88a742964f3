from procession.core.scheduler cimport Parking, Strand


cdef class Wait:
    cdef Parking source
    cdef object at
    cdef Strand strand
    cdef int state

    cdef go(self)


cpdef wait(Parking at)


cdef class Receiving(Parking):
    pass
