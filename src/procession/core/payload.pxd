cimport cython

cpdef copy_payload(value, what=*)
cpdef copy_items(tuple values, what)
cdef _copy(value, Py_ssize_t depth)
cdef _copy_map(dict value, Py_ssize_t depth)
cdef _copy_map_with_keys(dict value, Py_ssize_t depth)
cdef _copy_items(value, Py_ssize_t depth)
