from procession.core.scheduler cimport Parking, Scheduler, Strand, Waiter
from procession.core.switch cimport Ring
from procession.core.wait cimport Receiving, wait_to_send

cdef object CLOSED, EMPTY


cdef class ReceiveChannel(Receiving):
    cdef object __weakref__
    cdef public Ring _buffer
    cdef public object _decode
    cdef public Waiter _receiver
    cdef public object _more_receivers
    cdef public object _senders
    cdef public object _returned
    cdef public bint closed

    cpdef push(self, value)
    cpdef bint hand(self, value, turn, long long order=*) except -1
    cpdef enlist_arm(self, Waiter waiter)
    cpdef bint has_receiver(self) except -1
    cpdef bint has_sender(self) except -1
    cpdef _drop_first(self)


cdef class Channel(ReceiveChannel):
    cdef public Py_ssize_t capacity

    cpdef bint put(self, value) except -1


cdef class Sending(Parking):
    cdef public Channel channel
    cdef public object value
    cdef public Strand strand
