from procession.core.process cimport Process

cdef object NOTHING


cdef class TaskFace(Process):
    cdef public object _belongings
    cdef object _cancel_message
    cdef Py_ssize_t _cancels
    cdef public object _context
    cdef public object _coro
    cdef bint _detour
    cdef public object _failure
    cdef public object _fut_waiter
    cdef public object _loop
    cdef public bint _must_cancel
    cdef object _name
    cdef bint _struck
