cpdef weigh(payload)
cpdef weigh_small(payload)
