cpdef watch(watcher, target)
cpdef unwatch(watcher, target)
cpdef monitor(process, target)
cpdef link(one, other)
cpdef bint sever(process, exit) except -1
