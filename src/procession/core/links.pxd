cimport cython

cpdef monitor(process, target)
cpdef bint sever(process, exit) except -1
