# cython: language_level=3
"""How a Lua state is entered and left: see crossing.py, which does the same by way of lupa.

The functions of Lua are those of the library that lupa itself is, which exports them. Beside that,
what is known of lupa is how it keeps an object of Python in Lua; `_check` tries all of it.

The interpreter lock is given up while Lua runs, as lupa does. No lock of lupa is taken, since
nothing of lupa's is freed meanwhile: a coroutine whose last reference goes in another thread is
given back later (`_dropped`). Where memory is limited, the rules of state.py hold here too.
"""

import ctypes

from lupa import lua54

from cpython.pythread cimport PyThread_get_thread_ident
from cpython.ref cimport PyObject
from libc.stdint cimport uintptr_t

cimport cython

OBJECTS = object()
"""What `send` gives, without having resumed, if the answer holds what is no scalar."""

FOREIGN = object()
"""Stands for something of Lua that has no form in Python."""

cdef extern from *:
    """
    typedef struct lua_State lua_State;
    typedef int (*lua_CFunction)(lua_State *);

    /* What is used of Lua 5.4. */
    #define EACH(F) \
        F(int, lua_checkstack, (lua_State *, int)) \
        F(int, lua_error, (lua_State *)) \
        F(int, lua_getfield, (lua_State *, int, const char *)) \
        F(int, lua_gettop, (lua_State *)) \
        F(int, lua_isinteger, (lua_State *, int)) \
        F(lua_State *, lua_newthread, (lua_State *)) \
        F(void, lua_pushboolean, (lua_State *, int)) \
        F(void, lua_pushcclosure, (lua_State *, lua_CFunction, int)) \
        F(void, lua_pushinteger, (lua_State *, long long)) \
        F(void, lua_pushlightuserdata, (lua_State *, void *)) \
        F(const char *, lua_pushlstring, (lua_State *, const char *, size_t)) \
        F(void, lua_pushnil, (lua_State *)) \
        F(void, lua_pushnumber, (lua_State *, double)) \
        F(void, lua_pushvalue, (lua_State *, int)) \
        F(unsigned long long, lua_rawlen, (lua_State *, int)) \
        F(int, lua_resume, (lua_State *, lua_State *, int, int *)) \
        F(void, lua_settop, (lua_State *, int)) \
        F(int, lua_toboolean, (lua_State *, int)) \
        F(long long, lua_tointegerx, (lua_State *, int, int *)) \
        F(const char *, lua_tolstring, (lua_State *, int, size_t *)) \
        F(double, lua_tonumberx, (lua_State *, int, int *)) \
        F(void *, lua_touserdata, (lua_State *, int)) \
        F(int, lua_type, (lua_State *, int)) \
        F(double, lua_version, (lua_State *)) \
        F(void, lua_xmove, (lua_State *, lua_State *, int)) \
        F(int, luaL_ref, (lua_State *, int)) \
        F(void, luaL_unref, (lua_State *, int, int))
    #define DECLARED(type, name, parameters) static type (*name) parameters;
    #define LISTED(type, name, parameters) {#name, (void **)&name},
    EACH(DECLARED)
    typedef struct { const char *name; void **place; } Wanted;
    static Wanted wanted[] = {EACH(LISTED) {NULL, NULL}};

    #define REGISTRY (-1001000)
    #define FIRST_UPVALUE (REGISTRY - 1)
    #define MEMORY_LACKS 4
    #define MAX_DIRECT 24
    enum { NIL, BOOLEAN, LIGHT, NUMBER, STRING, TABLE, FUNCTION, USERDATA, THREAD };

    /* An object of Python in Lua, as lupa keeps it. */
    typedef struct { PyObject *object, *runtime; int flags; } Kept;

    static PyObject *foreign;

    static PyObject *pulled(lua_State *state, int place) {
        PyObject *object = NULL;
        switch (lua_type(state, place)) {
        case NIL:
            object = Py_None;
            break;
        case BOOLEAN:
            object = lua_toboolean(state, place) ? Py_True : Py_False;
            break;
        case NUMBER:
            if (lua_isinteger(state, place))
                return PyLong_FromLongLong(lua_tointegerx(state, place, NULL));
            return PyFloat_FromDouble(lua_tonumberx(state, place, NULL));
        case STRING: {
            size_t size;
            const char *text = lua_tolstring(state, place, &size);
            return PyBytes_FromStringAndSize(text, (Py_ssize_t)size);
        }
        case USERDATA:
            if (lua_rawlen(state, place) == sizeof(Kept))
                object = ((Kept *)lua_touserdata(state, place))->object;
        }
        if (object == NULL)
            object = foreign;
        Py_INCREF(object);
        return object;
    }

    /* Whether the object could be handed over: a scalar. */
    static int pushed(lua_State *state, PyObject *object) {
        if (object == Py_None)
            lua_pushnil(state);
        else if (PyBool_Check(object))
            lua_pushboolean(state, object == Py_True);
        else if (PyLong_Check(object)) {
            int overflow;
            long long number = PyLong_AsLongLongAndOverflow(object, &overflow);
            if (overflow)
                return 0;
            lua_pushinteger(state, number);
        }
        else if (PyBytes_CheckExact(object))
            lua_pushlstring(state, PyBytes_AS_STRING(object), (size_t)PyBytes_GET_SIZE(object));
        else if (PyFloat_Check(object))
            lua_pushnumber(state, PyFloat_AS_DOUBLE(object));
        else
            return 0;
        return 1;
    }

    static PyObject *all_pulled(lua_State *state, int count) {
        int first = lua_gettop(state) - count + 1;
        if (count == 1)
            return pulled(state, first);
        if (count == 0)
            Py_RETURN_NONE;
        PyObject *values = PyTuple_New(count);
        for (int i = 0; values != NULL && i < count; i++) {
            PyObject *value = pulled(state, first + i);
            if (value == NULL)
                Py_CLEAR(values);
            else
                PyTuple_SET_ITEM(values, i, value);
        }
        return values;
    }

    /* How many values were pushed; -1: not all of them could be, and none was; -2: no room. */
    static int all_pushed(lua_State *state, PyObject *values) {
        int before = lua_gettop(state), count = (int)PyTuple_GET_SIZE(values);
        if (!lua_checkstack(state, count))
            return -2;
        for (int i = 0; i < count; i++)
            if (!pushed(state, PyTuple_GET_ITEM(values, i))) {
                lua_settop(state, before);
                return -1;
            }
        return count;
    }

    /* Call a function with all that is on the stack. */
    static PyObject *applied(lua_State *state, PyObject *function) {
        int count = lua_gettop(state), known = 0;
        PyObject *values[MAX_DIRECT], *given = NULL;
        if (count > MAX_DIRECT)
            return PyErr_Format(PyExc_TypeError, "%d arguments: too many for Lua", count);
        while (known < count && (values[known] = pulled(state, known + 1)) != NULL)
            known++;
        if (known == count)
            given = PyObject_Vectorcall(function, values, (size_t)count, NULL);
        while (known > 0)
            Py_DECREF(values[--known]);
        return given;
    }

    static int (*answered)(lua_State *);

    /* Lua calls a function of Python. The jump of an error leaves no frame of Python. */
    static int called(lua_State *state) {
        static const char failed[] = "error during Python call";
        PyEval_RestoreThread(PyGILState_GetThisThreadState());
        int count = answered(state);
        PyEval_SaveThread();
        if (count >= 0)
            return count;
        lua_pushlstring(state, failed, sizeof failed - 1);
        return lua_error(state);
    }

    /* `type` of Lua, without looking its answer up: the names of all types are upvalues. */
    static int typed(lua_State *state) {
        int kind = lua_type(state, 1);
        lua_pushvalue(state, FIRST_UPVALUE - (kind < 0 ? NIL : kind));
        return 1;
    }

    static int resumed(lua_State *state, lua_State *main, int count, int *given) {
        int status;
        Py_BEGIN_ALLOW_THREADS
        status = lua_resume(state, main, count, given);
        Py_END_ALLOW_THREADS
        return status;
    }
    """
    ctypedef int (*lua_CFunction)(lua_State*)
    ctypedef struct Wanted:
        const char* name
        void** place
    Wanted* wanted
    PyObject* foreign
    int REGISTRY, FIRST_UPVALUE, MEMORY_LACKS, TABLE
    lua_CFunction called, typed
    lua_CFunction answered
    object all_pulled(lua_State*, int)
    int all_pushed(lua_State*, PyObject*) noexcept
    int pushed(lua_State*, PyObject*) noexcept
    object applied(lua_State*, PyObject*)
    int resumed(lua_State*, lua_State*, int, int*) noexcept
    int lua_getfield(lua_State*, int, const char*) noexcept
    lua_State* lua_newthread(lua_State*) noexcept
    void lua_pushcclosure(lua_State*, lua_CFunction, int) noexcept
    void lua_pushlightuserdata(lua_State*, void*) noexcept
    void lua_settop(lua_State*, int) noexcept
    const char* lua_tolstring(lua_State*, int, size_t*) noexcept
    void* lua_touserdata(lua_State*, int) noexcept
    double lua_version(lua_State*) noexcept
    void lua_xmove(lua_State*, lua_State*, int) noexcept
    int luaL_ref(lua_State*, int) noexcept
    void luaL_unref(lua_State*, int, int) noexcept


cdef class Crossing:
    """The ways into the state of a runtime, and out of it: see crossing.py."""

    def __cinit__(self, object runtime):
        self._runtime = runtime  # the state is there as long as this is
        self._functions, self._dropped = [], []
        self._thread = PyThread_get_thread_ident()
        if _is_known:
            self._main = <lua_State*><uintptr_t>_address_of_main(runtime)

    cpdef tuple new(self, bytes body):
        cdef LuaCoroutine coroutine = LuaCoroutine.__new__(LuaCoroutine)
        cdef lua_State* main = self._main
        if main is NULL:
            coroutine._of_lupa, address = self.make(body)
            return coroutine, int(address, 16)
        while self._dropped:
            luaL_unref(main, REGISTRY, self._dropped.pop())
        coroutine._crossing = self
        coroutine._state = lua_newthread(main)
        lua_getfield(main, REGISTRY, body)
        lua_xmove(main, coroutine._state, 1)
        coroutine.handle = luaL_ref(main, REGISTRY)
        return coroutine, <uintptr_t>coroutine._state

    def type_function(self):
        """`type` for our own Lua; None: Lua's own."""
        if self._main is NULL:
            return None
        for name in (b"nil", b"boolean", b"userdata", b"number", b"string", b"table", b"function",
                     b"userdata", b"thread"):
            pushed(self._main, <PyObject*>name)
        lua_pushcclosure(self._main, typed, 9)
        return luaL_ref(self._main, REGISTRY)

    cpdef object function(self, object function):
        if self._main is NULL:
            return function
        cdef Function made = Function.__new__(Function)
        made.crossing, made.function = <PyObject*>self, function
        self._functions.append(made)
        lua_pushlightuserdata(self._main, <void*>made)
        lua_pushcclosure(self._main, called, 1)
        return luaL_ref(self._main, REGISTRY)


@cython.final
cdef class Function:
    """A function of Python, as Lua knows it. It is there as long as its crossing is."""

    cdef PyObject* crossing
    cdef object function


cdef int _answered(lua_State* state) noexcept:
    """Called by Lua: how many values the function has given; -1 if it has raised."""
    cdef Function called_one = <Function>lua_touserdata(state, FIRST_UPVALUE)
    cdef int count
    try:
        given = applied(state, <PyObject*>called_one.function)
        if type(given) is not tuple:
            if pushed(state, <PyObject*>given):
                return 1
            given = (given,)
        count = all_pushed(state, <PyObject*>given)
        if count == -2:
            raise lua54.LuaMemoryError("not enough memory")
        if count == -1:
            raise TypeError(f"a scalar of Lua is expected, not {given!r}")
        return count
    except BaseException as error:
        (<Crossing>called_one.crossing)._raised = error
        return -1


@cython.final
@cython.no_gc_clear
cdef class LuaCoroutine:
    """A coroutine of Lua. `handle` is its place in the registry."""

    cpdef object send(self, tuple answer):
        cdef Crossing crossing = self._crossing
        cdef lua_State* state = self._state
        cdef int count = 0, given = 0, status
        if state is NULL:
            return self._of_lupa.send(answer)
        if answer is not None:
            count = all_pushed(state, <PyObject*>answer)
            if count == -1:
                return OBJECTS
            if count == -2:
                raise lua54.LuaMemoryError("not enough memory")
        crossing._thread = PyThread_get_thread_ident()
        status = resumed(state, crossing._main, count, &given)
        if crossing._raised is not None:
            error, crossing._raised = crossing._raised, None
            lua_settop(state, -given - 1)
            raise error
        if status > 1:
            self._fail(status)
        values = all_pulled(state, given)
        lua_settop(state, -given - 1)
        return values

    cdef int _fail(self, int status) except -1:
        cdef const char* text = lua_tolstring(self._state, -1, NULL)
        message = "" if text is NULL else text.decode("latin-1")
        if status == MEMORY_LACKS or "not enough memory" in message:
            raise lua54.LuaMemoryError(message)
        raise lua54.LuaError(message)

    def __dealloc__(self):
        cdef Crossing crossing = self._crossing
        if self.handle == 0:
            return
        if PyThread_get_thread_ident() == crossing._thread:
            luaL_unref(crossing._main, REGISTRY, self.handle)
        else:
            crossing._dropped.append(self.handle)


def handle_of(coroutine):
    """What our own Lua is given for a coroutine: see crossing.py."""
    cdef LuaCoroutine one = <LuaCoroutine?>coroutine
    return one._of_lupa if one._state is NULL else one.handle


def is_foreign(value):
    """Whether it stands for something of Lua that has no form in Python."""
    return value is FOREIGN or type(value).__module__.startswith("lupa")


def _address_of_main(runtime):
    return int(runtime.eval("string.format('%p', (coroutine.running()))"), 16)


def _look_up():
    """Find the functions of Lua, and see that lupa is as we take it to be."""
    cdef Wanted* one = wanted
    library = ctypes.PyDLL(lua54.__file__)
    while one.name is not NULL:
        function = ctypes.cast(getattr(library, one.name.decode()), ctypes.c_void_p)
        one.place[0] = <void*><uintptr_t>function.value
        one += 1
    runtime = lua54.LuaRuntime(encoding=None)
    cdef lua_State* main = <lua_State*><uintptr_t>_address_of_main(runtime)
    cdef object sample = object()
    address = int(runtime.eval("function(object) return string.format('%p', object) end")(sample), 16)
    if lua_version(main) != 504 or (<PyObject**><uintptr_t>address)[0] is not <PyObject*>sample:
        return False
    if lua_getfield(main, REGISTRY, b"_LOADED") != TABLE:
        return False
    lua_settop(main, -2)
    return True


foreign = <PyObject*>FOREIGN
answered = _answered
try:
    _is_known = _look_up()
except (OSError, AttributeError):
    _is_known = False
