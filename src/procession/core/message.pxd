cdef class Message:
    cdef public object sender
    cdef public object topic
    cdef public object payload
    cdef public object _reply_to
