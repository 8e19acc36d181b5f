/* What every kernel written by hand stands on: vectors of the processor's width, threads, memory to work in.
 *
 * A file of `kernels/` is compiled once for each type of its first line, `types: float double`; T is that type. Functions
 * marked EXPORT, written on one line, are what Python calls: `native.py` reads their arguments from that line.
 */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdint.h>
#include <stddef.h>
#include <string.h>

#define VISIBLE __attribute__((visibility("default")))
#ifndef EXPORT /* native.py hides those that it puts fb_try_NAME before: a function of this name in libc would be called */
#define EXPORT VISIBLE
#endif
#define INLINE static inline __attribute__((always_inline))
#define RESTRICT __restrict__
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

/* -- vectors: WIDTH elements of T, the width of a register ---------------------------------------------------------- */

#if defined(__AVX512F__)
#define VECTOR_BYTES 64
#define REGISTERS 32
#elif defined(__AVX__)
#define VECTOR_BYTES 32
#define REGISTERS 16
#else
#define VECTOR_BYTES 16
#if defined(__aarch64__)
#define REGISTERS 32
#else
#define REGISTERS 16
#endif
#endif
#define WIDTH ((int64_t)(VECTOR_BYTES / sizeof(T)))
typedef T vec __attribute__((vector_size(VECTOR_BYTES)));
typedef T vec_u __attribute__((vector_size(VECTOR_BYTES), aligned(sizeof(T)), may_alias)); /* anywhere in memory */

INLINE vec load(const T *p) { return *(const vec_u *)p; }
INLINE void store(T *p, vec v) { *(vec_u *)p = v; }
INLINE vec splat(T x) { return x - (vec){0}; } /* x - 0 keeps the sign of zero */
/* The first n < WIDTH elements; the others are 0, or are left as they are. */
INLINE vec load_part(const T *p, int64_t n) {
  vec v = {0};
  memcpy(&v, p, (size_t)n * sizeof(T));
  return v;
}
INLINE void store_part(T *p, vec v, int64_t n) { memcpy(p, &v, (size_t)n * sizeof(T)); }
INLINE T sum_of(vec v) {
  T s = 0;
  for (int64_t i = 0; i < WIDTH; ++i) s += v[i];
  return s;
}

/* -- services of the pool (fb_pool.c), handed over once when the library is loaded ---------------------------------- */

typedef void (*fb_task)(void *context, int64_t begin, int64_t end);
struct fb_services {
  void (*parallel)(fb_task task, void *context, int64_t count, int64_t grain);
  void *(*scratch)(int slot, size_t bytes);
  int (*threads)(void);
  struct fb_frame **(*frame)(void);
  void (*give_up)(void), (*failed)(void);
};
static const struct fb_services *fb;
__attribute__((visibility("default"))) void fb_bind(const struct fb_services *services) { fb = services; }

/* Runs task over [0, count) in blocks of `grain` on all threads. Results must not depend on who runs which block. */
#define PARALLEL(task, context, count, grain) fb->parallel(task, context, count, grain)
/* Memory of this thread's own, undefined content; slots 0 to 7, one per level of nesting. Where there is none the whole call is
 * given up, by a jump: kernels own nothing that would be lost. */
#define SCRATCH(slot, bytes) fb->scratch(slot, bytes)
/* A grain for `count` items of `each` units of work (elements touched, say): blocks of 16 K units or more, some eight for each thread. */
INLINE int64_t grain_for(int64_t count, int64_t each) {
  const int64_t least = 16384 / MAX(each, 1), even = count / (8 * (int64_t)fb->threads());
  return MAX(1, MAX(least, even));
}

/* -- calls that may be given up: `native.py` writes fb_try_NAME for the functions of files that ask for memory --------- */

struct fb_frame {
  jmp_buf place;
  struct fb_frame *outer;
};
/* Makes the call; where it is given up, Python is told, and the function around it returns -1. */
#define FB_TRY(call) \
  struct fb_frame here, **const top = fb->frame(); \
  here.outer = *top; \
  if (_setjmp(here.place)) { \
    *fb->frame() = here.outer; \
    fb->failed(); \
    return -1; \
  } \
  *top = &here; \
  call; \
  *top = here.outer
