from procession.core.payload cimport copy_payload


cdef class Message:
    cdef public object sender
    cdef public object topic
    cdef public object payload
    cdef public object _reply_to
