from cpython.object cimport PyObject


cdef class Ring:
    cdef list _ring
    cdef Py_ssize_t _first
    cdef Py_ssize_t _count
    cdef Py_ssize_t _room

    cpdef append(self, value)
    cpdef appendleft(self, value)
    cpdef popleft(self)
    cdef int _grow(self) except -1
    cdef _refill(self, values)


cdef class RunQueue(Ring):
    pass


cdef running_here()

cpdef resume(strand, context, coro, tasks, loop)
cpdef throw(strand, context, coro, exc, tasks, loop)
cpdef settle(strand, context, coro, variable)
cpdef unsettle(strand, context, coro)
cpdef untrack(thing)
cpdef track(thing)
