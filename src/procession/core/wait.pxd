from procession.core.scheduler cimport Parking, Strand


cdef class Wait:
    cdef Parking source
    cdef object at
    cdef Strand strand
    cdef int state
    cdef bint is_awaited
    cdef bint iterates

    cdef go(self)
    cdef advance(self)
    cdef void let_go(self) noexcept
    cdef end_by(self, kind, value, traceback)
    cpdef close(self)


cpdef wait(Parking at)
cpdef wait_to_send(Parking at)


cdef class Receiving(Parking):
    pass
