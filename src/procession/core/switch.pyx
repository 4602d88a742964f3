# cython: binding=False
"""How the machine goes from one strand to the next: see switch.py, whose compiled twin this is."""

from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF, Py_INCREF

from procession.core.tokens import RETURNED as _returned, THROWN as _thrown

cdef extern from *:
    """
    static PyObject *entered_context(void) { return PyThreadState_Get()->context; }
    static int raise_pending(void) { return -1; }

    /* Not by a call from Cython, which would write down where the exception has passed. */
    static PyObject *throw_into(PyObject *coro, PyObject *name, PyObject *exc) {
        PyObject *arguments[2] = {coro, exc};
        return PyObject_VectorcallMethod(name, arguments, 2, NULL);
    }

    /* 1: it was this exception that is set, and no longer is. */
    static int take_raised(PyObject *exc) {
        PyObject *type, *value, *trace;
        PyErr_Fetch(&type, &value, &trace);
        if (value != exc) {
            PyErr_Restore(type, value, trace);
            return 0;
        }
        Py_XDECREF(type);
        Py_XDECREF(value);
        Py_XDECREF(trace);
        return 1;
    }

    static void track_again(PyObject *thing) {
        if (PyObject_IS_GC(thing) && !PyObject_GC_IsTracked(thing))
            PyObject_GC_Track(thing);
    }

    /* The variables of a context are a tree of its own kind, of which it has a root of its own. */
    static int untrack_root(PyObject *root, void *none) {
        if (strncmp(Py_TYPE(root)->tp_name, "hamt", 4) == 0)
            PyObject_GC_UnTrack(root);
        return 0;
    }

    static int untrack_variables(PyObject *variables, void *none) {
        if (strcmp(Py_TYPE(variables)->tp_name, "hamt") == 0) {
            PyObject_GC_UnTrack(variables);
            Py_TYPE(variables)->tp_traverse(variables, untrack_root, NULL);
        }
        return 0;
    }

    static void untrack_context(PyObject *context) {
        PyObject_GC_UnTrack(context);
        Py_TYPE(context)->tp_traverse(context, untrack_variables, NULL);
    }
    """
    void track_again(object thing)
    void untrack_context(object context)
    PyObject *entered_context()
    PyObject *throw_into(object coro, object name, object exc)
    int take_raised(object exc)
    int raise_pending() except -1  # what C has set: `raise` would look for what is being handled

cdef extern from "Python.h":
    ctypedef enum PySendResult:
        PYGEN_RETURN
        PYGEN_ERROR
        PYGEN_NEXT

    bint PyDict_CheckExact(object tasks)
    int PyDict_SetItem(object tasks, object loop, object task) except -1
    void PyObject_GC_UnTrack(void *thing)
    int PyContext_Enter(object context) except -1
    int PyContext_Exit(object context) except -1
    PySendResult PyIter_Send(object coro, object value, PyObject **result)
    object PyContextVar_Set(object variable, object value)
    PyObject *PyList_GET_ITEM(object ring, Py_ssize_t place)
    void PyList_SET_ITEM(object ring, Py_ssize_t place, PyObject *value)

cdef object RETURNED = _returned
cdef object THROWN = _thrown


cdef class Ring:
    """A queue, in a list whose free places hold None: as a deque, for those who can call it in C."""

    def __cinit__(self):
        self._ring = [None] * 8
        self._room = 8

    def __init__(self, values=()):
        for value in values:
            self.append(value)

    cdef int _grow(self) except -1:
        cdef Py_ssize_t first = self._first
        self._ring = self._ring[first:] + self._ring[:first] + [None] * self._room
        self._first = 0
        self._room *= 2
        return 0

    cpdef append(self, value):
        if self._count == self._room:
            self._grow()
        _put(self._ring, (self._first + self._count) & (self._room - 1), value)
        self._count += 1

    cpdef appendleft(self, value):
        if self._count == self._room:
            self._grow()
        self._first = (self._first - 1) & (self._room - 1)
        _put(self._ring, self._first, value)
        self._count += 1

    cpdef popleft(self):
        if not self._count:
            raise IndexError("pop from an empty queue")
        cdef PyObject *value = PyList_GET_ITEM(self._ring, self._first)
        Py_INCREF(None)
        PyList_SET_ITEM(self._ring, self._first, <PyObject *>None)
        self._first = (self._first + 1) & (self._room - 1)
        self._count -= 1
        return take(value)

    cdef _refill(self, values):
        """Hold these values and no others."""
        cdef Py_ssize_t room = 8
        while room < len(values):
            room *= 2
        self._ring = values + [None] * (room - len(values))
        self._first, self._room, self._count = 0, room, len(values)

    def pop(self):
        values = list(self)
        last = values.pop()
        self._refill(values)
        return last

    def insert(self, place, value):
        values = list(self)
        values.insert(place, value)
        self._refill(values)

    def clear(self):
        self._refill([])

    def extend(self, values):
        for value in values:
            self.append(value)

    def __len__(self):
        return self._count

    def __getitem__(self, Py_ssize_t place):
        if not 0 <= place < self._count:
            raise IndexError("queue index out of range")
        return self._ring[(self._first + place) & (self._room - 1)]

    def __iter__(self):
        return iter([self._ring[(self._first + i) & (self._room - 1)] for i in range(self._count)])


cdef class RunQueue(Ring):
    """The strands that are ready: see switch.py."""


cdef inline void _put(list ring, Py_ssize_t place, value) noexcept:
    """Put a value in a free place. None goes out of it, which never dies of that."""
    Py_INCREF(value)
    PyList_SET_ITEM(ring, place, <PyObject *>value)
    Py_DECREF(None)


cdef inline take(PyObject *owned):
    """A reference that is ours."""
    result = <object>owned
    Py_DECREF(result)
    return result


# Whose step is under way, and the context that it has entered: neither is owned. Other threads, with
# nodes of their own, write here too; so what counts is whether this thread is in that context.
cdef PyObject *running = NULL
cdef PyObject *running_context = NULL


cdef running_here():
    """The strand whose code is running in this thread, and in its own context; else None."""
    if running is not NULL and entered_context() is running_context:
        return <object>running
    return None


cdef inline int enter(strand, context, tasks, loop) except -1:
    """A step of the strand begins: it is the task of the loop, and runs in its own context."""
    global running, running_context
    if PyDict_CheckExact(tasks):
        PyDict_SetItem(tasks, loop, strand)
    else:
        tasks[loop] = strand
    PyContext_Enter(context)
    running = <PyObject *>strand
    running_context = <PyObject *>context
    return 0


cdef inline int leave(context) except -1:
    """Its step is over. What it has raised is still pending."""
    global running
    running = NULL
    PyContext_Exit(context)
    return 0


cpdef resume(strand, context, coro, tasks, loop):
    """Run the coroutine of a strand, in its context, until it yields; give what it has yielded."""
    cdef PyObject *result = NULL
    enter(strand, context, tasks, loop)
    cdef PySendResult how = PyIter_Send(coro, None, &result)
    leave(context)
    if how == PYGEN_NEXT:
        return take(result)
    if how == PYGEN_RETURN:
        strand.value = take(result)
        return RETURNED
    raise_pending()


cpdef throw(strand, context, coro, exc, tasks, loop):
    """The same, by an exception. If that comes out of the coroutine, THROWN."""
    enter(strand, context, tasks, loop)
    cdef PyObject *result = throw_into(coro, "throw", exc)
    leave(context)
    if result is not NULL:
        return take(result)
    if take_raised(exc):
        return THROWN
    try:
        raise_pending()
    except StopIteration as end:
        strand.value = end.value
    return RETURNED


cpdef settle(strand, context, coro, variable):
    """Have `variable` in the context of a new strand say that it is the one: see switch.py."""
    PyContext_Enter(context)
    try:
        PyContextVar_Set(variable, strand)
    finally:
        PyContext_Exit(context)
    untrack_context(context)
    PyObject_GC_UnTrack(<void *>coro)
    PyObject_GC_UnTrack(<void *>strand)


cpdef unsettle(strand, context, coro):
    """Let go of what a strand has. They must be tracked when they are freed."""
    track(strand)
    track(context)
    track(coro)


cpdef untrack(thing):
    """Have the cycle collector pass something by: see switch.py."""
    PyObject_GC_UnTrack(<void *>thing)


cpdef track(thing):
    """Have the cycle collector look at it again: see switch.py."""
    track_again(thing)
