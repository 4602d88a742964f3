cdef class Place:
    cdef public bint is_terminal
    cdef public object options
    cdef public object state
    cdef public object step_limit


cdef class LuaProgram:
    cdef object _guest
    cdef object _source
    cdef public object entry
