cimport cython

from procession.core.kernel cimport Kernel
from procession.core.process cimport Process
from procession.current cimport current


@cython.locals(me=Process, kernel=Kernel, child=Process)
cdef _spawn(entry, host, tuple args, bint linked, bint monitored, name)
