"""`process.send`: see sending.py, whose compiled twin this is.

A function of C's own: Python calls it in the shortest way that it has.
"""

from cpython.object cimport PyObject

from procession.core.process cimport Process
from procession.core.switch cimport running_here

from procession.core.text import exact
from procession.current import current as _current

cdef extern from *:
    """
    static PyObject *procession_send(PyObject *, PyObject **, Py_ssize_t);

    static PyMethodDef procession_send_definition = {
        "send", (PyCFunction)(void (*)(void))procession_send, METH_FASTCALL,
        PyDoc_STR(
            "send(dest, topic, /, *payload)\\n--\\n\\n"
            "Send a message: no payload arrives as None, one as itself, several as a list.\\n\\n"
            "Never waits. The payload is copied. Order is kept from one sender to one receiver.\\n"
            "Raises NotFound for an unknown name or dead PID, LimitExceeded when the mailbox is\\n"
            "full, Invalid for a topic starting with `@` or a payload that cannot cross; then\\n"
            "nothing is delivered."
        )
    };

    static PyObject *new_send(PyObject *module) {
        return PyCFunction_NewEx(&procession_send_definition, NULL, module);
    }
    """
    object new_send(object module)

cdef object current = _current


cdef object _send "procession_send"(PyObject *module, PyObject **given, Py_ssize_t count):
    cdef Process me
    if count < 2:
        raise TypeError(f"send() takes a destination and a topic, and {count} of them were given")
    running = running_here()
    if running is None:
        me = current()
    else:
        me = <Process>running
    topic = <object>given[1]
    if type(topic) is not str:
        topic = exact(topic)
    if count == 3:
        me.kernel.post(me, <object>given[0], topic, <object>given[2])
    elif count == 2:
        me.kernel.post(me, <object>given[0], topic, None)
    else:
        payload = tuple([<object>given[i] for i in range(2, count)])
        me.kernel.post(me, <object>given[0], topic, payload)
    return True


send = new_send(__name__)
