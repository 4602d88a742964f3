cdef class Deadlines:
    cdef object _scheduler
    cdef public dict timers
