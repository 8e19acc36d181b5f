/* The threads of all kernels, and the memory each of them works in.
 *
 * A call shares the range of a task among the caller and sleeping or waiting workers. What is computed never depends on
 * who computes it: blocks are cut by `grain`, not by the number of threads.
 *
 * Each thread begins with a part of its own, which its cache may still know from the call before, and then takes what is left of
 * the others'.
 *
 * A worker that has run out of work looks for more during some 50 us before it sleeps, because operators come one after
 * another and waking a thread costs 15 us; behind a long call, for a sixteenth of the time that it took, at most 400 us: a call of
 * many milliseconds leaves nothing of Python in the caches, which then takes longer to the next. The caller waits for its
 * workers during some 50 us, too. One call at a time has the
 * pool: one that finds it taken (from another Python thread, or from inside a task) runs alone. After fork() the child
 * starts with an empty pool.
 *
 * A thread that gets no memory to work in gives up the call: it jumps out of the kernel to the frame that its task, or the call
 * itself (FB_TRY in fb.h), has set. The others end the blocks that they are at, and the calling thread leaves the kernel in the same
 * way. Python is told by an exception for that thread, raised where the foreign call returns: a call that goes well
 * looks for nothing.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#if defined(__x86_64__) || defined(__i386__)
#define FB_PAUSE() __builtin_ia32_pause()
#elif defined(__aarch64__)
#define FB_PAUSE() __asm__ volatile("yield")
#else
#define FB_PAUSE() ((void)0)
#endif

typedef void (*fb_task)(void *context, int64_t begin, int64_t end);
typedef void (*fb_kernel)(void *const *a, const double *p, const int64_t *n, const int64_t *s, int64_t begin, int64_t end);

#define FB_MOST 256

static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER; /* held by the call that has the pool */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* for sleeping: guards `workers` and the conditions */
static pthread_cond_t wake = PTHREAD_COND_INITIALIZER, done = PTHREAD_COND_INITIALIZER;
static int workers = 0;            /* threads started */
static atomic_int wanted = 1;      /* threads of a call, the caller included */
static atomic_ullong job = 0;      /* calls so far */
static atomic_ullong open_job = 0; /* the call that may be joined, or 0 */
static atomic_int invited = 0;     /* workers that may still join it */
static atomic_int inside = 0;      /* workers that look at it or work on it */
static atomic_int asleep = 0, waiting = 0;
static atomic_int given_up = 0; /* whether a thread of the call found no memory */
static int64_t patience = 50000; /* ns that a thread looks before it sleeps, at least */
#define MOST_PATIENCE 400000
#define PATIENCE_OF(worked) ((worked) / 16 < patience ? patience : (worked) / 16 < MOST_PATIENCE ? (worked) / 16 : MOST_PATIENCE)

/* Where a thread goes on when it gives up what it is at. */
struct fb_frame {
  jmp_buf place;
  struct fb_frame *outer;
};
static _Thread_local struct fb_frame *frame = 0;

static void drop_scratch(void);

static struct fb_frame **fb_frame(void) { return &frame; }

static void fb_give_up(void) {
  if (!frame) {
    fputs("flambeau: no memory for a kernel to work in\n", stderr);
    abort();
  }
  _longjmp(frame->place, 1);
}

struct part {
  atomic_llong next; /* block that is taken next */
  int64_t end;
  char apart[48];
};
static struct {
  fb_task f;
  void *context;
  int64_t count, grain;
  int parts;
  char apart[64];
  struct part part[FB_MOST];
} work;

static int64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Blocks of one's own part first, those that others have not come to afterwards: who worked on a part of an array last is
 * likely to have it in its cache still. */
static void take_blocks(int me) {
  for (int k = 0; k < work.parts; ++k) {
    struct part *p = &work.part[(me + k) % work.parts];
    for (;;) {
      const int64_t block = atomic_fetch_add(&p->next, 1);
      if (block >= p->end) break;
      const int64_t begin = block * work.grain;
      work.f(work.context, begin, work.count - begin < work.grain ? work.count : begin + work.grain);
    }
  }
}

/* Blocks, until there are none or one is given up: nobody begins another then. */
static void take_part(int me) {
  struct fb_frame here;
  here.outer = frame;
  if (_setjmp(here.place)) {
    atomic_store(&given_up, 1);
    for (int p = 0; p < work.parts; ++p) atomic_store(&work.part[p].next, work.part[p].end);
  } else {
    frame = &here;
    take_blocks(me);
  }
  frame = here.outer;
  if (atomic_load(&given_up) && !frame) drop_scratch();
}

static void join_in(unsigned long long seen) {
  int place;
  atomic_fetch_add(&inside, 1);
  if (atomic_load(&open_job) == seen && (place = atomic_fetch_sub(&invited, 1)) > 0) take_part(place);
  if (atomic_fetch_sub(&inside, 1) == 1 && atomic_load(&waiting)) {
    pthread_mutex_lock(&lock);
    pthread_cond_signal(&done);
    pthread_mutex_unlock(&lock);
  }
}

static void *worker(void *first) {
  unsigned long long seen = (unsigned long long)(uintptr_t)first;
  int64_t came = 0, left = 0; /* when it began with the last call, when it was done */
  for (;;) {
    const int64_t until = (left ? left : now()) + PATIENCE_OF(left - came);
    unsigned long long newest;
    for (int look = 1; (newest = atomic_load(&job)) == seen; ++look) {
      FB_PAUSE();
      if (look % 64 == 0 && now() > until) {
        pthread_mutex_lock(&lock);
        atomic_fetch_add(&asleep, 1);
        while ((newest = atomic_load(&job)) == seen) pthread_cond_wait(&wake, &lock);
        atomic_fetch_sub(&asleep, 1);
        pthread_mutex_unlock(&lock);
        break;
      }
    }
    seen = newest;
    came = now();
    join_in(seen);
    left = now();
  }
  return 0;
}

static void after_fork(void) {
  pthread_mutex_init(&turn, 0);
  pthread_mutex_init(&lock, 0);
  pthread_cond_init(&wake, 0);
  pthread_cond_init(&done, 0);
  workers = 0;
  atomic_store(&inside, 0);
  atomic_store(&asleep, 0);
  atomic_store(&waiting, 0);
  atomic_store(&open_job, 0);
}

static void start_workers(int most) {
  static int watched = 0;
  if (!watched) watched = pthread_atfork(0, 0, after_fork) == 0;
  pthread_attr_t detached;
  pthread_attr_init(&detached);
  pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
  pthread_t thread;
  void *seen = (void *)(uintptr_t)atomic_load(&job);
  while (workers < most && pthread_create(&thread, &detached, worker, seen) == 0) ++workers;
  pthread_attr_destroy(&detached);
}

/* Threads per call from now on, the caller included; more are started when a call wants them. */
void fb_set_threads(int threads) { atomic_store(&wanted, threads < 1 ? 1 : threads > FB_MOST ? FB_MOST : threads); }

int fb_threads(void) { return atomic_load(&wanted); }

/* Threads asleep or at work in the pool, for tests. */
int fb_workers(void) { return workers; }

static void alone(fb_task f, void *context, int64_t count, int64_t grain) {
  for (int64_t begin = 0; begin < count; begin += grain) f(context, begin, count - begin < grain ? count : begin + grain);
}

/* Runs f over [0, count) in blocks of `grain`, and returns when all of it is done. */
void fb_parallel(fb_task f, void *context, int64_t count, int64_t grain) {
  if (count <= 0) return;
  if (grain < 1) grain = 1;
  const int64_t blocks = (count + grain - 1) / grain;
  int helpers = atomic_load(&wanted) - 1;
  if (blocks - 1 < helpers) helpers = (int)(blocks - 1);
  if (helpers < 1 || pthread_mutex_trylock(&turn) != 0) {
    alone(f, context, count, grain);
    return;
  }
  if (workers < helpers) start_workers(helpers);
  work.f = f, work.context = context, work.count = count, work.grain = grain;
  work.parts = helpers + 1;
  for (int p = 0; p <= helpers; ++p) {
    atomic_store(&work.part[p].next, blocks * p / (helpers + 1));
    work.part[p].end = blocks * (p + 1) / (helpers + 1);
  }
  atomic_store(&given_up, 0);
  atomic_store(&invited, helpers);
  const unsigned long long mine = atomic_load(&job) + 1;
  atomic_store(&open_job, mine);
  atomic_store(&job, mine);
  if (atomic_load(&asleep)) {
    pthread_mutex_lock(&lock);
    pthread_cond_broadcast(&wake);
    pthread_mutex_unlock(&lock);
  }
  take_part(0);
  atomic_store(&open_job, 0); /* who has not come by now need not come */
  if (atomic_load(&inside)) {
    const int64_t until = now() + patience;
    for (int look = 1; atomic_load(&inside); ++look) {
      FB_PAUSE();
      if (look % 64 == 0 && now() > until) {
        pthread_mutex_lock(&lock);
        atomic_store(&waiting, 1);
        while (atomic_load(&inside)) pthread_cond_wait(&done, &lock);
        atomic_store(&waiting, 0);
        pthread_mutex_unlock(&lock);
        break;
      }
    }
  }
  const int failed = atomic_load(&given_up);
  pthread_mutex_unlock(&turn);
  if (failed) fb_give_up();
}

struct nest {
  fb_kernel f;
  void *const *a;
  const double *p;
  const int64_t *n, *s;
};

static void run_nest(void *context, int64_t begin, int64_t end) {
  const struct nest *x = context;
  x->f(x->a, x->p, x->n, x->s, begin, end);
}

/* The same for the outermost range of a generated loop nest. */
void fb_run(fb_kernel f, void *const *a, const double *p, const int64_t *n, const int64_t *s, int64_t count, int64_t grain) {
  struct nest x = {f, a, p, n, s};
  fb_parallel(run_nest, &x, count, grain);
}

/* -- memory to work in --------------------------------------------------------------------------------------------- */

#define FB_SLOTS 8

struct scratch {
  void *block[FB_SLOTS];
  size_t size[FB_SLOTS];
};
static pthread_key_t scratch_key;
static pthread_once_t scratch_once = PTHREAD_ONCE_INIT;

static void drop_blocks(struct scratch *own) {
  for (int i = 0; i < FB_SLOTS; ++i) free(own->block[i]);
  memset(own, 0, sizeof *own);
}
static void drop_all(void *own) {
  drop_blocks(own);
  free(own);
}
static void make_key(void) { pthread_key_create(&scratch_key, drop_all); }

/* Gives this thread's blocks back: what made others fail. */
static void drop_scratch(void) {
  pthread_once(&scratch_once, make_key);
  struct scratch *own = pthread_getspecific(scratch_key);
  if (own) drop_blocks(own);
}

static int64_t (*spare)(void) = 0; /* gives memory back that others keep (fb_memory.c) */
int64_t fb_asked = 0; /* the bytes that the last thread to give up asked for */

void fb_set_spare(int64_t (*release)(void)) { spare = release; }

static void *no_memory(size_t bytes) {
  __atomic_store_n(&fb_asked, (int64_t)bytes, __ATOMIC_RELAXED);
  fb_give_up();
  return 0;
}

/* At least `bytes` of memory of this thread's own, aligned to 64 bytes (large blocks to pages); what was in it is
 * undefined. A slot belongs to one level of nesting: a task and what it calls use different ones. Does not return where there is
 * none: the call is given up. */
void *fb_scratch(int slot, size_t bytes) {
  pthread_once(&scratch_once, make_key);
  struct scratch *own = pthread_getspecific(scratch_key);
  if (!own) {
    own = calloc(1, sizeof *own);
    if (!own) return no_memory(sizeof *own);
    pthread_setspecific(scratch_key, own);
  }
  if (own->size[slot] < bytes) {
    free(own->block[slot]);
    own->block[slot] = 0, own->size[slot] = 0;
    const size_t unit = bytes >= (1 << 21) ? 1 << 21 : 1 << 12;
    const size_t whole = (bytes + unit - 1) / unit * unit;
    void *made;
    int failed = posix_memalign(&made, unit, whole);
    if (failed && spare) spare(), failed = posix_memalign(&made, unit, whole);
    if (failed) return no_memory(bytes);
#ifdef MADV_HUGEPAGE
    if (unit == 1 << 21) madvise(made, whole, MADV_HUGEPAGE);
#endif
    own->block[slot] = made, own->size[slot] = whole;
  }
  return own->block[slot];
}

/* -- calls that are given up --------------------------------------------------------------------------------------- */

/* The interpreter's functions by which an exception is raised in this thread, and the exception's class. */
static struct {
  int (*ensure)(void);
  void (*release)(int);
  unsigned long (*ident)(void);
  int (*raise)(unsigned long, void *);
  void *error;
} python;

void fb_set_python(void *ensure, void *release, void *ident, void *raise, void *error) {
  python.ensure = (int (*)(void))ensure, python.release = (void (*)(int))release;
  python.ident = (unsigned long (*)(void))ident, python.raise = (int (*)(unsigned long, void *))raise;
  python.error = error;
}

/* The end of a call from Python that was given up. */
static void fb_failed(void) {
  if (!frame) drop_scratch();
  if (!python.error) return;
  const int state = python.ensure();
  python.raise(python.ident(), python.error);
  python.release(state);
}

/* What other libraries call, handed to their fb_bind(). */
struct fb_services {
  void (*parallel)(fb_task, void *, int64_t, int64_t);
  void *(*scratch)(int, size_t);
  int (*threads)(void);
  struct fb_frame **(*frame)(void);
  void (*give_up)(void), (*failed)(void);
};
const struct fb_services *fb_services(void) {
  static const struct fb_services services = {fb_parallel, fb_scratch, fb_threads, fb_frame, fb_give_up, fb_failed};
  return &services;
}
