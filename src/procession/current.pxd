cimport cython

from procession.core.kernel cimport Kernel
from procession.core.process cimport Process

cdef object current_process, get_ident

@cython.locals(process=Process)
cpdef current()
@cython.locals(process=Process)
cpdef current_mailbox()
@cython.locals(process=Process)
cpdef current_scheduler()
