from procession.core.scheduler cimport Strand


cdef class SystemLane(Strand):
    cdef public object _doomed
    cdef bint _queued

    cpdef add(self, process, error, cleanup=*)
