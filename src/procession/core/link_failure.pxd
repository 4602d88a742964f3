cpdef link_failure(exit)
