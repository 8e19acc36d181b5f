/* Memory of NumPy's large arrays, kept when it is freed and handed out again.
 *
 * A fresh page costs its first touch a fault, 4 KB at a time: writing 16 MB of new memory takes ten times as long as
 * writing old. Blocks come in sizes of eight steps to the octave and lie on the system's large pages. What is kept and
 * what is in use together never exceed the most that was ever in use (and 64 MB): keeping never raises the peak.
 * Small arrays stay with the allocator that NumPy had.
 */
#define _GNU_SOURCE
#ifdef __linux__
#include <malloc.h>
#endif
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#define LEAST ((size_t)1 << 18) /* bytes from which a block is ours */
#define SLACK ((size_t)64 << 20)
#define CLASSES (46 * 8)

/* NumPy's PyDataMem_Handler. */
typedef struct {
  void *ctx;
  void *(*malloc)(void *ctx, size_t size);
  void *(*calloc)(void *ctx, size_t count, size_t size);
  void *(*realloc)(void *ctx, void *p, size_t size);
  void (*free)(void *ctx, void *p, size_t size);
} allocator;
typedef struct {
  char name[127];
  uint8_t version;
  allocator calls;
} handler;

struct block { struct block *next; };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct block *kept[CLASSES];
static size_t in_use = 0, most_in_use = 0, bytes_kept = 0;
static size_t slack = SLACK;
static uint64_t asked = 0, served = 0;
static const allocator *small; /* NumPy's own */

/* The number of a size's class, and the size of a class: (8 + step) / 8 of a power of two. */
static int class_of(size_t size) {
  const int octave = 63 - __builtin_clzll((unsigned long long)(size - 1) | 1);
  const size_t step = (size_t)1 << (octave - 3);
  return (int)(octave * 8 + (size - 1 - ((size_t)1 << octave)) / step) - 18 * 8 + 8;
}
static size_t size_of(int class) {
  const int number = class + 18 * 8 - 8, octave = number / 8, step = number % 8;
  return ((size_t)(8 + step + 1)) << (octave - 3);
}

static void *map(size_t size) {
  const size_t huge = (size_t)1 << 21;
  if (size < huge) {
    void *p = mmap(0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? 0 : p;
  }
  char *p = mmap(0, size + huge, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) return 0;
  const size_t before = (huge - ((uintptr_t)p & (huge - 1))) & (huge - 1);
  if (before) munmap(p, before);
  if (huge - before) munmap(p + before + size, huge - before);
#ifdef MADV_HUGEPAGE
  madvise(p + before, size, MADV_HUGEPAGE);
#endif
  return p + before;
}

/* Gives kept blocks back, the largest first, until `bytes` of them at most are left. The lock is held. */
static void shrink(size_t bytes) {
  for (int c = CLASSES - 1; c >= 0 && bytes_kept > bytes; --c)
    while (kept[c] && bytes_kept > bytes) {
      struct block *b = kept[c];
      kept[c] = b->next;
      bytes_kept -= size_of(c);
      munmap(b, size_of(c));
    }
}

/* -- which blocks are in use: NumPy's realloc does not tell the old size -- an open-addressed table of address and class */

static struct { void *p; int class; } *table;
static size_t slots = 0, filled = 0; /* filled: with blocks */

static size_t slot_of(const void *p) {
  size_t i = ((uintptr_t)p >> 12) * 0x9E3779B97F4A7C15u >> 20 & (slots - 1);
  while (table[i].p && table[i].p != p) i = (i + 1) & (slots - 1);
  return i;
}
/* 0: no memory for a larger table. */
static int note(void *p, int class) {
  if (filled * 2 >= slots) {
    const size_t before = slots;
    void *const old = table;
    const size_t entry = sizeof *table;
    void *made = mmap(0, (before ? before * 2 : 1024) * entry, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (made == MAP_FAILED) return 0;
    slots = before ? before * 2 : 1024;
    table = made;
    for (size_t i = 0; i < before; ++i) {
      struct { void *p; int class; } e;
      memcpy(&e, (char *)old + i * entry, entry);
      if (e.p) {
        const size_t at = slot_of(e.p);
        table[at].p = e.p, table[at].class = e.class;
      }
    }
    if (before) munmap(old, before * entry);
  }
  const size_t i = slot_of(p);
  table[i].p = p, table[i].class = class;
  ++filled;
  return 1;
}
/* The class of a block of ours, -1 for others'; with `forget` it is no longer in the table. */
static int known(const void *p, int forget) {
  if (!slots) return -1;
  size_t i = slot_of(p);
  if (!table[i].p) return -1;
  const int class = table[i].class;
  if (forget) {
    --filled;
    for (size_t j = i;;) { /* closes the gap */
      table[i].p = 0;
      for (;;) {
        j = (j + 1) & (slots - 1);
        if (!table[j].p) return class;
        const size_t home = ((uintptr_t)table[j].p >> 12) * 0x9E3779B97F4A7C15u >> 20 & (slots - 1);
        if (i <= j ? home <= i || home > j : home <= i && home > j) break;
      }
      table[i] = table[j];
      i = j;
    }
  }
  return class;
}

/* A block for `size` bytes; *fresh: it is new from the system, all zero. */
static void *take(size_t size, int *fresh) {
  const int class = class_of(size);
  if (class >= CLASSES) return 0;
  const size_t whole = size_of(class);
  pthread_mutex_lock(&lock);
  ++asked;
  in_use += whole;
  struct block *found = kept[class];
  *fresh = 0;
  if (found) {
    kept[class] = found->next;
    bytes_kept -= whole;
    ++served;
  } else {
    if (in_use > most_in_use) most_in_use = in_use;
    const size_t room = most_in_use + slack - in_use;
    if (bytes_kept > room) shrink(room);
    found = map(whole);
    if (!found) {
      shrink(0);
      found = map(whole);
    }
    *fresh = 1;
  }
  if (found && !note(found, class)) {
    munmap(found, whole);
    found = 0;
  }
  if (!found) in_use -= whole;
  if (in_use > most_in_use) most_in_use = in_use;
  pthread_mutex_unlock(&lock);
  return found;
}

/* Keeps a block of ours; 0 if it is none. */
static int give(void *p) {
  pthread_mutex_lock(&lock);
  const int class = known(p, 1);
  if (class < 0) {
    pthread_mutex_unlock(&lock);
    return 0;
  }
  const size_t whole = size_of(class);
  in_use -= whole;
  ((struct block *)p)->next = kept[class];
  kept[class] = p;
  bytes_kept += whole;
  const size_t room = most_in_use + slack - in_use;
  if (bytes_kept > room) shrink(room);
  pthread_mutex_unlock(&lock);
  return 1;
}

/* -- the handler --------------------------------------------------------------------------------------------------- */

static void *our_malloc(void *ctx, size_t size) {
  (void)ctx;
  if (size < LEAST) return small->malloc(small->ctx, size);
  int fresh;
  return take(size, &fresh);
}
static void *our_calloc(void *ctx, size_t count, size_t size) {
  (void)ctx;
  size_t bytes;
  if (__builtin_mul_overflow(count, size, &bytes)) return 0;
  if (bytes < LEAST) return small->calloc(small->ctx, count, size);
  int fresh;
  void *p = take(bytes, &fresh);
  if (p && !fresh) memset(p, 0, bytes);
  return p;
}
static void our_free(void *ctx, void *p, size_t size) {
  (void)ctx;
  if (!p) return;
  if (size < LEAST || !give(p)) small->free(small->ctx, p, size);
}
static void *our_realloc(void *ctx, void *p, size_t size) {
  pthread_mutex_lock(&lock);
  const int class = p ? known(p, 0) : -1;
  pthread_mutex_unlock(&lock);
  if (class < 0) return small->realloc(small->ctx, p, size);
  void *made = our_malloc(ctx, size);
  if (made) {
    const size_t old = size_of(class);
    memcpy(made, p, old < size ? old : size);
    give(p);
  }
  return made;
}

static void before_fork(void) { pthread_mutex_lock(&lock); }
static void after_fork(void) { pthread_mutex_unlock(&lock); }

/* The handler to give to NumPy; `before` is the one it has. */
__attribute__((visibility("default"))) handler *fb_memory(const handler *before) {
  static handler ours = {"flambeau", 1, {0, our_malloc, our_calloc, our_realloc, our_free}};
  if (!small) pthread_atfork(before_fork, after_fork, after_fork);
  small = &before->calls;
  return &ours;
}

/* What may be kept beyond the most that was in use; the bytes before. */
__attribute__((visibility("default"))) int64_t fb_memory_slack(int64_t bytes) {
  pthread_mutex_lock(&lock);
  const size_t before = slack;
  slack = bytes < 0 ? SLACK : (size_t)bytes;
  const size_t room = most_in_use + slack - in_use;
  if (bytes_kept > room) shrink(room);
  pthread_mutex_unlock(&lock);
  return (int64_t)before;
}

/* Gives what is kept back to the system; bytes. */
__attribute__((visibility("default"))) int64_t fb_memory_release(void) {
#ifdef __GLIBC__
  malloc_trim(0); /* small arrays and Python's objects are there */
#endif
  pthread_mutex_lock(&lock);
  const size_t before = bytes_kept;
  shrink(0);
  most_in_use = in_use;
  pthread_mutex_unlock(&lock);
  return (int64_t)before;
}

/* bytes in use, the most there were, bytes kept, blocks asked for, blocks served from those kept. */
__attribute__((visibility("default"))) void fb_memory_numbers(int64_t out[5]) {
  pthread_mutex_lock(&lock);
  out[0] = (int64_t)in_use, out[1] = (int64_t)most_in_use, out[2] = (int64_t)bytes_kept;
  out[3] = (int64_t)asked, out[4] = (int64_t)served;
  pthread_mutex_unlock(&lock);
}
