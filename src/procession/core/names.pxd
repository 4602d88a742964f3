cdef class NameRegistry:
    cdef public dict _owners
    cdef public dict _keepers
    cdef public dict kept
    cdef public dict _waiting

    cpdef find(self, name)
