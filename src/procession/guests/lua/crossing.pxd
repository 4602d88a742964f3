cdef extern from *:
    """
    typedef struct lua_State lua_State;
    """
    ctypedef struct lua_State


cdef class Crossing:
    cdef public object make
    cdef object _runtime, _raised
    cdef lua_State* _main
    cdef list _functions, _dropped
    cdef unsigned long _thread

    cpdef tuple new(self, bytes body)
    cpdef object function(self, object function)


cdef class LuaCoroutine:
    cdef Crossing _crossing
    cdef lua_State* _state
    cdef object _of_lupa
    cdef readonly int handle

    cpdef object send(self, tuple answer)
    cdef int _fail(self, int status) except -1
