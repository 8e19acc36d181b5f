/* A pool of threads that share the outermost range of a loop nest.
 *
 * Threads sleep when idle. One call at a time has the pool; a call that finds it taken (from another Python thread, or
 * from inside a kernel) runs alone. After fork() the child starts with an empty pool and locks of its own.
 * What is computed never depends on who computes it: blocks are cut by `grain`, not by the number of threads.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

typedef void (*fb_kernel)(void *const *a, const double *p, const int64_t *n, const int64_t *s, int64_t begin, int64_t end);

#define FB_MOST 256

static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER; /* held by the call that has the pool */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards what follows */
static pthread_cond_t wake = PTHREAD_COND_INITIALIZER, done = PTHREAD_COND_INITIALIZER;
static int workers = 0; /* threads started */
static int wanted = 1;  /* threads of a call, the caller included */
static int running = 0, invited = 0;
static uint64_t job = 0;

static struct {
  fb_kernel f;
  void *const *a;
  const double *p;
  const int64_t *n, *s;
  int64_t count, grain;
  atomic_llong next;
} work;

static void take_blocks(void) {
  for (;;) {
    const int64_t begin = atomic_fetch_add(&work.next, work.grain);
    if (begin >= work.count) return;
    const int64_t end = work.count - begin < work.grain ? work.count : begin + work.grain;
    work.f(work.a, work.p, work.n, work.s, begin, end);
  }
}

static void *worker(void *unused) {
  (void)unused;
  uint64_t seen = 0;
  pthread_mutex_lock(&lock);
  for (;;) {
    while (job == seen || invited == 0) {
      if (job != seen && invited == 0) seen = job;
      pthread_cond_wait(&wake, &lock);
    }
    seen = job;
    --invited;
    ++running;
    pthread_mutex_unlock(&lock);
    take_blocks();
    pthread_mutex_lock(&lock);
    if (--running == 0) pthread_cond_signal(&done);
  }
  return 0;
}

static void after_fork(void) {
  pthread_mutex_init(&turn, 0);
  pthread_mutex_init(&lock, 0);
  pthread_cond_init(&wake, 0);
  pthread_cond_init(&done, 0);
  workers = running = invited = 0;
}

static void start_workers(int most) {
  static int watched = 0;
  if (!watched) watched = pthread_atfork(0, 0, after_fork) == 0;
  pthread_attr_t detached;
  pthread_attr_init(&detached);
  pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
  pthread_t thread;
  while (workers < most && pthread_create(&thread, &detached, worker, 0) == 0) ++workers;
  pthread_attr_destroy(&detached);
}

/* Threads per call from now on, the caller included; more are started when a call wants them. */
void fb_set_threads(int threads) { wanted = threads < 1 ? 1 : threads > FB_MOST ? FB_MOST : threads; }

/* Threads asleep or at work in the pool, for tests. */
int fb_workers(void) { return workers; }

/* Runs f over [0, count) in blocks of `grain`. */
void fb_run(fb_kernel f, void *const *a, const double *p, const int64_t *n, const int64_t *s, int64_t count, int64_t grain) {
  const int64_t blocks = (count + grain - 1) / grain;
  int helpers = wanted - 1;
  if (blocks - 1 < helpers) helpers = (int)(blocks - 1);
  if (helpers < 1 || pthread_mutex_trylock(&turn) != 0) {
    for (int64_t begin = 0; begin < count; begin += grain)
      f(a, p, n, s, begin, count - begin < grain ? count : begin + grain);
    return;
  }
  pthread_mutex_lock(&lock);
  if (workers < helpers) start_workers(helpers);
  work.f = f, work.a = a, work.p = p, work.n = n, work.s = s, work.count = count, work.grain = grain;
  atomic_store(&work.next, 0);
  invited = helpers;
  ++job;
  pthread_cond_broadcast(&wake);
  pthread_mutex_unlock(&lock);
  take_blocks();
  pthread_mutex_lock(&lock);
  invited = 0; /* who has not woken by now need not come */
  while (running) pthread_cond_wait(&done, &lock);
  pthread_mutex_unlock(&lock);
  pthread_mutex_unlock(&turn);
}
