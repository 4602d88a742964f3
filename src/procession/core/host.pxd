cdef class Host:
    cdef public object id
    cdef public object max_processes
    cdef public Py_ssize_t mailbox
    cdef public Py_ssize_t mailbox_bytes
    cdef public double step_limit
    cdef public double cleanup
    cdef public object pid_prefix
    cdef public Py_ssize_t population
    cdef public object pool
    cdef public Py_ssize_t room
