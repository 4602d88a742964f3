/* A yardstick, not a peer: what a message costs when nothing but its mechanism costs, written in C.
   PIDs and topics are looked up by text, payloads are checked to be scalars, every step enters a context of its own,
   bodies are ordinary coroutines. No copies, limits, links, monitors, timers, errors. See prototype.py. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stddef.h>
typedef struct Chan Chan; typedef struct Proc Proc;
struct Chan { PyObject_HEAD PyObject **buf; Py_ssize_t head, len, cap; Proc *receiver; };
struct Proc { PyObject_HEAD PyObject *coro, *ctx, *topics, *pid, *value; Chan *parked; int dead; };
typedef struct { PyObject_HEAD Chan *chan; Proc *waiter; } Recv;
static PyTypeObject ChanT, ProcT, RecvT;
static Proc **ready; static Py_ssize_t rh=0, rl=0, rcap=0; static Proc *current; static PyObject *procs, *PARKED; static long serial=0;
static void push_ready(Proc *p){ if(rl==rcap){ Py_ssize_t nc=rcap?rcap*2:1024; Proc **n=malloc(nc*sizeof(*n)); for(Py_ssize_t i=0;i<rl;i++) n[i]=ready[(rh+i)%rcap]; free(ready); ready=n; rh=0; rcap=nc;} Py_INCREF(p); ready[(rh+rl++)&(rcap-1)]=p; }
static Proc *pop_ready(void){ Proc *p=ready[rh]; rh=(rh+1)&(rcap-1); rl--; return p; }
static void buf_push(Chan *c, PyObject *v){ if(c->len==c->cap){ Py_ssize_t nc=c->cap?c->cap*2:8; PyObject **n=malloc(nc*sizeof(*n)); for(Py_ssize_t i=0;i<c->len;i++) n[i]=c->buf[(c->head+i)%c->cap]; free(c->buf); c->buf=n; c->head=0; c->cap=nc;} Py_INCREF(v); c->buf[(c->head+c->len++)&(c->cap-1)]=v; }
static Chan *chan_new(void){ Chan *c=PyObject_GC_New(Chan,&ChanT); c->buf=NULL;c->head=c->len=c->cap=0;c->receiver=NULL; PyObject_GC_Track(c); return c; }
static int chan_traverse(Chan *c, visitproc visit, void *arg){ for(Py_ssize_t i=0;i<c->len;i++) Py_VISIT(c->buf[(c->head+i)&(c->cap-1)]); return 0; }
static void chan_dealloc(Chan *c){ PyObject_GC_UnTrack(c); for(Py_ssize_t i=0;i<c->len;i++) Py_DECREF(c->buf[(c->head+i)&(c->cap-1)]); free(c->buf); PyObject_GC_Del(c); }
static PyObject *chan_receive(Chan *c, PyObject *u){ Recv *r=PyObject_New(Recv,&RecvT); Py_INCREF(c); r->chan=c; r->waiter=NULL; return (PyObject*)r; }
static PyMethodDef chan_m[]={{"receive",(PyCFunction)chan_receive,METH_NOARGS,0},{0}};
static void recv_dealloc(Recv *r){ Py_XDECREF(r->chan); PyObject_Free(r); }
static PySendResult recv_send(Recv *r, PyObject *arg, PyObject **res){
  if(r->waiter){ Proc *p=r->waiter; r->waiter=NULL; *res=p->value; p->value=NULL; return PYGEN_RETURN; }
  Chan *c=r->chan;
  if(c->len){ *res=c->buf[c->head]; c->head=(c->head+1)&(c->cap-1); c->len--; return PYGEN_RETURN; }
  c->receiver=current; current->parked=c; r->waiter=current; Py_INCREF(PARKED); *res=PARKED; return PYGEN_NEXT; }
static PyObject *recv_next(Recv *r){ PyObject *res; PySendResult s=recv_send(r,Py_None,&res); if(s==PYGEN_NEXT) return res; if(s==PYGEN_RETURN){ PyObject *e=PyObject_CallOneArg(PyExc_StopIteration,res); Py_DECREF(res); PyErr_SetObject(PyExc_StopIteration,e); Py_DECREF(e);} return NULL; }
static PyObject *self_iter(PyObject *o){ Py_INCREF(o); return o; }
static PyAsyncMethods recv_as={ .am_await=self_iter, .am_send=(sendfunc)recv_send };
static PyTypeObject RecvT={PyVarObject_HEAD_INIT(0,0) .tp_name="fast.Recv",.tp_basicsize=sizeof(Recv),.tp_dealloc=(destructor)recv_dealloc,.tp_flags=Py_TPFLAGS_DEFAULT,.tp_as_async=&recv_as,.tp_iter=self_iter,.tp_iternext=(iternextfunc)recv_next};
static PyTypeObject ChanT={PyVarObject_HEAD_INIT(0,0) .tp_name="fast.Chan",.tp_basicsize=sizeof(Chan),.tp_dealloc=(destructor)chan_dealloc,.tp_flags=Py_TPFLAGS_DEFAULT|Py_TPFLAGS_HAVE_GC,.tp_traverse=(traverseproc)chan_traverse,.tp_methods=chan_m};
static int proc_traverse(Proc *p, visitproc visit, void *arg){ Py_VISIT(p->coro); Py_VISIT(p->ctx); Py_VISIT(p->topics); return 0; }
static void proc_dealloc(Proc *p){ PyObject_GC_UnTrack(p); Py_XDECREF(p->coro); Py_XDECREF(p->ctx); Py_XDECREF(p->topics); Py_XDECREF(p->pid); PyObject_GC_Del(p); }
static PyTypeObject ProcT={PyVarObject_HEAD_INIT(0,0) .tp_name="fast.Proc",.tp_basicsize=sizeof(Proc),.tp_dealloc=(destructor)proc_dealloc,.tp_flags=Py_TPFLAGS_DEFAULT|Py_TPFLAGS_HAVE_GC,.tp_traverse=(traverseproc)proc_traverse};
static PyObject *f_spawn(PyObject *m, PyObject *const *a, Py_ssize_t n){ Proc *p=PyObject_GC_New(Proc,&ProcT); p->coro=PyObject_Vectorcall(a[0],a+1,n-1,NULL); p->ctx=PyContext_CopyCurrent(); p->topics=NULL; p->value=NULL; p->parked=NULL; p->dead=0; char bb[64]; snprintf(bb,64,"{app:processes|0x%05lx}",++serial); p->pid=PyUnicode_FromString(bb); PyObject_GC_Track(p); PyDict_SetItem(procs,p->pid,(PyObject*)p); push_ready(p); PyObject *r=p->pid; Py_INCREF(r); Py_DECREF(p); return r; }
static PyObject *f_listen(PyObject *m, PyObject *topic){ if(!current->topics) current->topics=PyDict_New(); PyObject *c=PyDict_GetItem(current->topics,topic); if(!c){ c=(PyObject*)chan_new(); PyDict_SetItem(current->topics,topic,c);} else Py_INCREF(c); return c; }
static PyObject *f_send(PyObject *m, PyObject *const *a, Py_ssize_t n){
  Proc *p=(Proc*)PyDict_GetItemWithError(procs,a[0]); if(!p){ PyErr_SetString(PyExc_LookupError,"process not found"); return NULL; }
  PyObject *v=a[2]; PyTypeObject *t=Py_TYPE(v);
  if(!((t==&PyUnicode_Type && PyUnicode_IS_ASCII(v)) || t==&PyLong_Type || v==Py_None || t==&PyFloat_Type || t==&PyBool_Type || t==&PyBytes_Type)){ PyErr_SetString(PyExc_TypeError,"copy"); return NULL; }
  Chan *c=p->topics?(Chan*)PyDict_GetItemWithError(p->topics,a[1]):NULL;
  if(!c){ if(!p->topics) p->topics=PyDict_New(); c=chan_new(); PyDict_SetItem(p->topics,a[1],(PyObject*)c); Py_DECREF(c);}
  if(c->receiver){ Proc *w=c->receiver; c->receiver=NULL; Py_INCREF(v); w->value=v; w->parked=NULL; push_ready(w);} else buf_push(c,v);
  Py_RETURN_TRUE; }
static PyObject *f_pid(PyObject *m, PyObject *u){ Py_INCREF(current->pid); return current->pid; }
static PyObject *f_run(PyObject *m, PyObject *u){
  while(rl){ Proc *p=pop_ready(); if(p->dead){Py_DECREF(p);continue;} current=p; PyObject *res; PyContext_Enter(p->ctx); PySendResult s=PyIter_Send(p->coro,Py_None,&res); 
    if(s==PYGEN_ERROR){ PyErr_WriteUnraisable(p->coro); }
    PyContext_Exit(p->ctx);
    if(s==PYGEN_NEXT){ if(res!=PARKED){ PyErr_SetString(PyExc_RuntimeError,"?"); return NULL;} Py_DECREF(res);} else { if(s==PYGEN_RETURN) Py_DECREF(res); p->dead=1; PyDict_DelItem(procs,p->pid); Py_CLEAR(p->coro); }
    Py_DECREF(p); }
  Py_RETURN_NONE; }
static PyMethodDef mm[]={{"spawn",(PyCFunction)f_spawn,METH_FASTCALL,0},{"listen",f_listen,METH_O,0},{"send",(PyCFunction)f_send,METH_FASTCALL,0},{"pid",f_pid,METH_NOARGS,0},{"run",f_run,METH_NOARGS,0},{0}};
static struct PyModuleDef md={PyModuleDef_HEAD_INIT,"native",0,-1,mm};
PyMODINIT_FUNC PyInit_native(void){ PyType_Ready(&ChanT);PyType_Ready(&RecvT);PyType_Ready(&ProcT); procs=PyDict_New(); PARKED=PyUnicode_FromString("PARKED"); return PyModule_Create(&md); }
