/* Loaded before the C library by `test_no_memory.py`: a posix_memalign, which kernels get their memory to work in from, that refuses. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>

static atomic_int left = -1, refused = 0, others = 0;
static pthread_t teller;

/* From now on `after` requests are served (-1: all), then none; with `workers` those of the calling thread always are. */
void refuse(int after, int workers) {
  teller = pthread_self();
  atomic_store(&refused, 0);
  atomic_store(&others, workers);
  atomic_store(&left, after);
}
int refusals(void) { return atomic_load(&refused); }

int posix_memalign(void **out, size_t unit, size_t bytes) {
  static int (*real)(void **, size_t, size_t);
  if (!real) real = (int (*)(void **, size_t, size_t))dlsym(RTLD_NEXT, "posix_memalign");
  const int now = atomic_load(&left);
  if (now >= 0 && !(atomic_load(&others) && pthread_equal(teller, pthread_self()))) {
    if (now == 0) {
      atomic_fetch_add(&refused, 1);
      return ENOMEM;
    }
    atomic_fetch_sub(&left, 1);
  }
  return real(out, unit, bytes);
}
