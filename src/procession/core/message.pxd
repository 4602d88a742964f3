cdef class Message:
    cdef public object sender
    cdef public object topic
    cdef public object payload
    cdef object _reply_to
