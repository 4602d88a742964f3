# cython: binding=False, always_allow_keywords=False, embedsignature=True, embedsignature.format=clinic
"""How a coroutine waits: see wait.py, whose compiled twin this is.

An object that Python awaits without a frame of its own: CPython calls `am_send` of its type where
it has that (3.11), and else `__next__`.
"""

import warnings
from inspect import CO_ITERABLE_COROUTINE
from sys import _getframe as getframe
from types import CoroutineType

cimport cython
from cpython.object cimport PyObject, PyTypeObject
from cpython.ref cimport Py_INCREF

from procession.core.scheduler cimport Parking, Scheduler, Strand

from procession.core.tokens import ANSWERED as _answered, CLOSED as _closed, EMPTY as _empty, NOTHING as _nothing, PARKED as _parked

cdef extern from *:
    """
    static void set_am_send(PyTypeObject *type, void *function) {
        type->tp_as_async->am_send = (sendfunc)function;
    }

    /* A method by hand: one of Cython's writes down, for a traceback, where an exception leaves it. */
    static PyMethodDef throw_method = {
        "throw", NULL, METH_FASTCALL, "End the wait by an exception: as `throw` of a coroutine."
    };

    static int set_throw(PyTypeObject *type, void *function) {
        throw_method.ml_meth = (PyCFunction)function;
        PyObject *method = PyDescr_NewMethod(type, &throw_method);
        int failed = method == NULL || PyDict_SetItemString(type->tp_dict, "throw", method);
        Py_XDECREF(method);
        PyType_Modified(type);
        return failed ? -1 : 0;
    }

    static void set_next(PyTypeObject *type, void *function) {
        type->tp_iternext = (iternextfunc)function;
    }

    /* The end of an iterator with a value. */
    static PyObject *ended(PyObject *value) {
        PyObject *stop = NULL;
        if (value != Py_None) stop = PyObject_CallOneArg(PyExc_StopIteration, value);
        if (stop != NULL) PyErr_SetObject(PyExc_StopIteration, stop);
        Py_XDECREF(stop);
        return NULL;
    }

    static PyObject *raised(PyObject *exc) {
        PyErr_SetObject((PyObject *)Py_TYPE(exc), exc);
        return NULL;
    }
    """
    ctypedef enum PySendResult:
        PYGEN_RETURN
        PYGEN_ERROR
        PYGEN_NEXT

    void set_am_send(PyTypeObject *type, void *function)
    void PyObject_GC_UnTrack(void *thing)
    int set_throw(PyTypeObject *type, void *function) except -1
    void set_next(PyTypeObject *type, void *function)
    PyObject *ended(object value)
    PyObject *raised(object exc)

cdef object ANSWERED = _answered
cdef object CLOSED = _closed
cdef object EMPTY = _empty
cdef object NOTHING = _nothing
cdef object PARKED = _parked

cdef enum State:
    FRESH
    WAITING
    OVER


@cython.final
@cython.freelist(256)
cdef class Wait:
    """One wait: of a coroutine at a Parking, or (`source` is None) of a strand that is parked."""

    # What Python's own coroutines have, as far as libraries ask for it.

    @property
    def __class__(self):
        return CoroutineType

    @property
    def __name__(self):
        return self.__qualname__.rpartition(".")[2]

    @property
    def __qualname__(self):
        if self.source is not None:
            return self.source.waits_as
        return "woken" if self.state != OVER or self.at is None else self.at.waits_as

    @property
    def cr_running(self):
        return False

    @property
    def cr_suspended(self):
        return self.state == WAITING

    @property
    def cr_frame(self):
        return None

    @property
    def cr_code(self):
        return None

    def __repr__(self):
        return f"<coroutine object {self.__qualname__} at {<size_t><PyObject *>self:#x}>"

    cdef go(self):
        """Go on until it waits, and give the trap, or until it is OVER, and give the outcome."""
        if self.state == OVER:
            raise RuntimeError("cannot reuse already awaited coroutine")
        try:
            return self.advance()
        finally:
            if self.state == OVER:
                self.let_go()

    cdef inline advance(self):
        cdef Parking source = self.source
        cdef Strand strand
        cdef Scheduler scheduler
        cdef int state = self.state
        if state == WAITING:
            strand = self.strand
            if strand.parked is not None:  # resumed by somebody else
                return trap_of(strand)
            value = strand.value
            if source is None:
                self.state = OVER
                return value
        elif source is None:
            self.state = WAITING
            return trap_of(self.strand)
        else:
            value = None
        self.state = OVER  # unless it comes to a wait
        scheduler = source.scheduler
        while True:
            if state != WAITING:
                turn = None if scheduler.credit > 0 else source.next_turn()
                value = source.attempt()
                if value is EMPTY:
                    strand = scheduler.current
                    if strand is None:
                        strand = scheduler.strand()
                    source.enlist(strand)
                    self.strand = strand
                    self.state = WAITING
                    if strand is not scheduler.current:
                        strand.parks(source)
                        return strand.trap
                    strand.value = NOTHING  # `parks`, without the call
                    strand.parked = source
                    PyObject_GC_UnTrack(<void *>self)  # as the strand that holds it: see `settle`
                    return PARKED
                scheduler.credit -= 1
                if scheduler.credit < 0 and scheduler.is_turn_over():
                    strand = self.strand = scheduler.repay(source, value, turn)
                    self.state = WAITING
                    return trap_of(strand)
            if self.iterates and value is CLOSED:
                raise StopAsyncIteration
            value = source.outcome(value)
            if value is not ANSWERED:
                return value
            state = FRESH

    def __await__(self):
        if self.state == WAITING:
            raise RuntimeError("coroutine is being awaited already")
        self.is_awaited = True
        return self

    def __iter__(self):
        if not self.is_awaited and not getframe().f_code.co_flags & CO_ITERABLE_COROUTINE:
            raise TypeError("'coroutine' object is not iterable")
        self.is_awaited = True
        return self

    def __next__(self):
        if not self.is_awaited:
            raise TypeError("'coroutine' object is not an iterator")
        value = self.go()
        if self.state == WAITING:
            return value
        raise StopIteration(value)

    def send(self, value):
        """Go on: as `send` of a coroutine."""
        if value is not None and self.state == FRESH:
            raise TypeError("can't send non-None value to a just-started coroutine")
        value = self.go()
        if self.state == WAITING:
            return value
        raise StopIteration(value)

    cdef end_by(self, kind, value, traceback):
        """End the wait by an exception, and give it, to be raised."""
        if isinstance(kind, BaseException):
            exc = kind
        elif not (isinstance(kind, type) and issubclass(kind, BaseException)):
            raise TypeError(
                "exceptions must be classes or instances deriving from BaseException, not "
                f"{type(kind).__name__}"
            )
        elif isinstance(value, BaseException):
            exc = value
        else:
            exc = kind() if value is None else kind(value)
        if traceback is not None:
            exc = exc.with_traceback(traceback)
        if self.state == OVER:
            raise RuntimeError("cannot reuse already awaited coroutine")
        self.close()
        return exc

    cpdef close(self):
        """End the wait: as `close` of a coroutine."""
        if self.state == OVER:
            return
        state, self.state = self.state, OVER
        try:
            if state == WAITING:
                self.strand.unparks(self.source if self.at is None else self.at)
        finally:
            self.let_go()

    cdef void let_go(self) noexcept:
        """Hold nothing any more, as a coroutine that is over; but for its name, by a class."""
        if self.source is not None:
            self.at = type(self.source)
            self.source = None
        elif self.strand is not None:
            self.at = None
        self.strand = None

    def __dealloc__(self):
        if self.state == WAITING and self.strand is not None:
            try:
                self.strand.unparks(self.source if self.at is None else self.at)
            except Exception:  # in a cycle of garbage, where it waited may be freed before it
                self.strand.parked = None
        elif self.state == FRESH and self.source is not None:
            warnings.warn(
                f"coroutine '{self.source.waits_as}' was never awaited",
                RuntimeWarning,
                1,
            )


cdef inline object trap_of(Strand strand):
    return PARKED if strand.scheduler is not None and strand.scheduler.current is strand else strand.trap


cdef PySendResult _am_send(PyObject *wait, PyObject *value, PyObject **result) except PYGEN_ERROR:
    outcome = (<Wait>wait).go()
    Py_INCREF(outcome)
    result[0] = <PyObject *>outcome
    return PYGEN_NEXT if (<Wait>wait).state == WAITING else PYGEN_RETURN


cdef PyObject *_throw(PyObject *wait, PyObject **given, Py_ssize_t count) except? NULL:
    if not 1 <= count <= 3:
        raise TypeError(f"throw expected 1 to 3 arguments, got {count}")
    value = <object>given[1] if count > 1 else None
    traceback = <object>given[2] if count > 2 else None
    return raised((<Wait>wait).end_by(<object>given[0], value, traceback))


cdef PyObject *_next(PyObject *wait) except? NULL:
    """`__next__`, without the traceback that Cython makes of an end: CPython 3.12 waits by it."""
    if not (<Wait>wait).is_awaited:
        raise TypeError("'coroutine' object is not an iterator")
    outcome = (<Wait>wait).go()
    if (<Wait>wait).state != WAITING:
        return ended(outcome)
    Py_INCREF(outcome)
    return <PyObject *>outcome


set_am_send(<PyTypeObject *>Wait, <void *>_am_send)
set_next(<PyTypeObject *>Wait, <void *>_next)
set_throw(<PyTypeObject *>Wait, <void *>_throw)


def park(Strand strand, at):
    """Wait until the strand is woken, and return what was handed over: see wait.py."""
    strand.parks(at)
    return woken(strand, at)


cpdef woken(Strand strand, at):
    """The same for a strand that is parked already, or was handed something."""
    cdef Wait self = Wait.__new__(Wait)
    self.strand = strand
    self.at = at
    return self


cpdef wait(Parking at):
    """Do what can be done at `at`, once it can be, and give what came of it."""
    cdef Wait self = Wait.__new__(Wait)
    self.source = at
    return self


cpdef wait_to_send(Parking at):
    """The same: it goes by another name only where it is a coroutine."""
    return wait(at)


cdef class Receiving(Parking):
    """A Parking where one waits to receive."""

    def receive(self):
        """The next value. Waits until there is one.

        Raises ChannelClosed, again and again, once the channel is closed and drained.
        """
        return wait(self)

    def __anext__(self):
        """The same as an iterator, which ends when the channel is closed and drained."""
        cdef Wait next_one = <Wait>wait(self)
        next_one.iterates = True
        return next_one
