cdef object heapify, heappop, heappush


cdef class Timer:
    cdef public object when
    cdef public object callback
    cdef TimerQueue _queue

    cpdef bint cancel(self) except -1


cdef class TimerQueue:
    cdef public list _heap
    cdef long long _serial
    cdef public Py_ssize_t litter

    cpdef Timer add(self, when, callback)
