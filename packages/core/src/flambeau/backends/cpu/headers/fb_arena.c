/* The memory of one compiled program: an allocator for NumPy that is in force while the program's first run is recorded.
 *
 * Blocks are taken from one reserved range of addresses, freed ones are used again, and everything is remembered: the
 * addresses that the first run was given are the plan of all later ones. A sealed arena hands out and takes back nothing.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define EXPORT __attribute__((visibility("default")))
#define UNIT ((size_t)64)
#define LARGE ((size_t)1 << 20)
#define SMALL ((size_t)4 << 20) /* bytes from the start that lie on small pages: most programs need no more */

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

typedef struct {
  size_t start, size;
  int64_t died; /* how many blocks there were when it was given back: later ones may lie where it lay */
} block;

typedef struct {
  handler calls; /* first: NumPy is given the address of the arena */
  char *base;
  size_t reserved, top;
  block *blocks; /* every block there ever was, by number */
  int64_t *live; /* the numbers of those in use */
  int64_t count, lives, room;
  int sealed;
} arena;

EXPORT void fb_arena_trim(arena *a);

static int overlaps_live(const arena *a, size_t start, size_t size, size_t *next) {
  for (int64_t i = 0; i < a->lives; ++i) {
    const block *b = &a->blocks[a->live[i]];
    if (b->start < start + size && start < b->start + b->size) {
      *next = b->start + b->size;
      return 1;
    }
  }
  return 0;
}

static void *take(arena *a, size_t size) {
  size = ((size ? size : 1) + UNIT - 1) / UNIT * UNIT;
  if (a->count == a->room) {
    const int64_t room = a->room ? a->room * 2 : 256;
    block *more = realloc(a->blocks, (size_t)room * sizeof(block));
    if (!more) return 0;
    a->blocks = more;
    int64_t *numbers = realloc(a->live, (size_t)room * sizeof(int64_t));
    if (!numbers) return 0;
    a->live = numbers, a->room = room;
  }
  /* The lowest place that is free: what was freed is used before the arena grows. */
  size_t at = 0, next = 0;
  while (overlaps_live(a, at, size, &next)) at = next;
  if (at + size > a->reserved) return 0;
  if (at + size > a->top) {
    if (size >= LARGE) fb_arena_trim(a); /* what lies idle is too small for it */
    a->top = at + size;
  }
  a->live[a->lives++] = a->count;
  a->blocks[a->count++] = (block){at, size, INT64_MAX};
  return a->base + at;
}
/* The place among `live` of the block that holds an address; -1: none. */
static int64_t find(const arena *a, const void *p) {
  const size_t at = (size_t)((const char *)p - a->base);
  if ((const char *)p < a->base || at >= a->reserved) return -1;
  for (int64_t i = a->lives - 1; i >= 0; --i) {
    const block *b = &a->blocks[a->live[i]];
    if (b->start <= at && at < b->start + b->size) return i;
  }
  return -1;
}
static void forget(arena *a, int64_t i) {
  a->blocks[a->live[i]].died = a->count;
  a->live[i] = a->live[--a->lives];
}

static void *arena_malloc(void *ctx, size_t size) {
  arena *a = ctx;
  return a->sealed ? 0 : take(a, size);
}
static void *arena_calloc(void *ctx, size_t count, size_t size) {
  size_t bytes;
  if (__builtin_mul_overflow(count, size, &bytes)) return 0;
  void *p = arena_malloc(ctx, bytes);
  if (p) memset(p, 0, bytes);
  return p;
}
static void arena_free(void *ctx, void *p, size_t size) {
  (void)size;
  arena *a = ctx;
  const int64_t i = p ? find(a, p) : -1;
  if (i >= 0) forget(a, i);
}
static void *arena_realloc(void *ctx, void *p, size_t size) {
  arena *a = ctx;
  const int64_t i = p ? find(a, p) : -1;
  void *made = arena_malloc(ctx, size);
  if (made && i >= 0) {
    const size_t old = a->blocks[a->live[i]].size;
    memcpy(made, p, old < size ? old : size);
    forget(a, i);
  }
  return made;
}

/* A new arena of at most `reserved` bytes, which is NumPy's handler, too; NULL where there is no such range. */
EXPORT arena *fb_arena_new(int64_t reserved) {
  arena *a = calloc(1, sizeof *a);
  if (!a) return 0;
  void *p = mmap(0, (size_t)reserved, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) {
    free(a);
    return 0;
  }
#ifdef MADV_HUGEPAGE
  if ((size_t)reserved > SMALL) madvise((char *)p + SMALL, (size_t)reserved - SMALL, MADV_HUGEPAGE);
#endif
  a->base = p, a->reserved = (size_t)reserved;
  strcpy(a->calls.name, "flambeau arena");
  a->calls.version = 1;
  a->calls.calls = (allocator){a, arena_malloc, arena_calloc, arena_realloc, arena_free};
  return a;
}
EXPORT void *fb_arena_base(const arena *a) { return a->base; }
EXPORT int64_t fb_arena_top(const arena *a) { return (int64_t)a->top; }
EXPORT int64_t fb_arena_count(const arena *a) { return a->count; }
EXPORT int64_t fb_arena_lives(const arena *a) { return a->lives; }
/* The number of the live block that holds an address, and where it starts; -1: none. */
EXPORT int64_t fb_arena_find(const arena *a, const void *p, int64_t *start) {
  const int64_t i = find(a, p);
  if (i < 0) return -1;
  *start = (int64_t)a->blocks[a->live[i]].start;
  return a->live[i];
}
/* Start and size of block i. */
EXPORT void fb_arena_block(const arena *a, int64_t i, int64_t out[2]) {
  out[0] = (int64_t)a->blocks[i].start, out[1] = (int64_t)a->blocks[i].size;
}
EXPORT int64_t fb_arena_held(const arena *a, int64_t i) { return a->blocks[i].died == INT64_MAX; }
/* Gives the pages of [from, to) back that lie in it whole. */
static void give_back(arena *a, size_t from, size_t to) {
  const size_t page = (size_t)1 << 12;
  from = (from + page - 1) / page * page, to = to / page * page;
  if (to > from) madvise(a->base + from, to - from, MADV_DONTNEED);
}
/* Gives back what no block in use lies on. */
EXPORT void fb_arena_trim(arena *a) {
  size_t at = 0;
  while (at < a->top) {
    size_t next = a->top, end = a->top;
    for (int64_t i = 0; i < a->lives; ++i) {
      const block *b = &a->blocks[a->live[i]];
      if (b->start >= at && b->start < next) next = b->start, end = b->start + b->size;
    }
    give_back(a, at, next);
    at = end;
  }
}
/* Copies block i out of the arena and gives it back on the way: there is never much of it twice. */
EXPORT void fb_arena_move(arena *a, int64_t i, char *to, int64_t size) {
  const size_t piece = (size_t)1 << 20, start = a->blocks[i].start;
  for (size_t done = 0; done < (size_t)size; done += piece) {
    const size_t now = (size_t)size - done < piece ? (size_t)size - done : piece;
    memcpy(to + done, a->base + start + done, now);
    give_back(a, start, start + done + now);
  }
}

/* -- the plan -- */

static int together(const arena *a, int64_t i, int64_t j) {
  return i < j ? a->blocks[i].died > j : a->blocks[j].died > i;
}
static const arena *sorted; /* under `lock` */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int larger_first(const void *x, const void *y) {
  const int64_t i = *(const int64_t *)x, j = *(const int64_t *)y;
  const size_t m = sorted->blocks[i].size, n = sorted->blocks[j].size;
  return m != n ? (m < n ? 1 : -1) : (i > j) - (i < j);
}

/* Lays n blocks out anew, for runs in which only these need memory: the larger ones first, each at the lowest place that is free
 * as long as it is in use. Blocks that somebody still holds stay, and nothing comes over them. What was in memory is lost.
 * Block `numbers[i]` lies where block `over[i]` lies, which ends as it begins and is among these, unless that is -1; `numbers` rise.
 * The most bytes that are in use at once; -1: no memory for it. */
EXPORT int64_t fb_arena_lay(arena *a, int64_t n, const int64_t *numbers, const int64_t *over) {
  const int64_t held = a->lives;
  int64_t *order = malloc(((size_t)n + 1) * sizeof *order), *placed = malloc(((size_t)(n + held) + 1) * sizeof *placed);
  if (!order || !placed) {
    free(order), free(placed);
    return -1;
  }
  int64_t count = 0, least = 0, alone = 0;
  size_t top = 0;
  for (int64_t i = n - 1; i >= 0; --i) { /* the first of a row of blocks in one place is in use as long as all of them */
    if (over[i] >= 0) a->blocks[over[i]].died = a->blocks[numbers[i]].died;
    else order[alone++] = numbers[i];
  }
  for (int64_t i = 0; i < held; ++i) { /* `placed` is in order of addresses */
    int64_t at = count++;
    for (; at && a->blocks[placed[at - 1]].start > a->blocks[a->live[i]].start; --at) placed[at] = placed[at - 1];
    placed[at] = a->live[i];
    const size_t end = a->blocks[a->live[i]].start + a->blocks[a->live[i]].size;
    if (end > top) top = end;
  }
  for (int64_t i = 0; i < alone; ++i) {
    int64_t now = 0;
    for (int64_t j = 0; j < alone; ++j)
      if (order[j] == order[i] || (order[j] < order[i] && together(a, order[j], order[i]))) now += (int64_t)a->blocks[order[j]].size;
    if (now > least) least = now;
  }
  pthread_mutex_lock(&lock);
  sorted = a;
  qsort(order, (size_t)alone, sizeof *order, larger_first);
  pthread_mutex_unlock(&lock);
  for (int64_t i = 0; i < alone; ++i) {
    block *b = &a->blocks[order[i]];
    if (b->died == INT64_MAX && held) { /* one of those that stay, perhaps */
      int64_t j = 0;
      while (j < held && a->live[j] != order[i]) ++j;
      if (j < held) continue;
    }
    size_t at = 0;
    for (int64_t j = 0; j < count; ++j) {
      const block *c = &a->blocks[placed[j]];
      if (c->died != INT64_MAX && !together(a, order[i], placed[j])) continue;
      if (at + b->size <= c->start) break;
      if (c->start + c->size > at) at = c->start + c->size;
    }
    b->start = at;
    if (at + b->size > top) top = at + b->size;
    int64_t place = count++;
    for (; place && a->blocks[placed[place - 1]].start > at; --place) placed[place] = placed[place - 1];
    placed[place] = order[i];
  }
  for (int64_t i = 0; i < n; ++i)
    if (over[i] >= 0) a->blocks[numbers[i]].start = a->blocks[over[i]].start;
  free(order), free(placed);
  if (!held) madvise(a->base, a->top, MADV_DONTNEED);
  a->top = top;
  return least;
}
/* Nothing more is handed out; the range shrinks to what was used. */
EXPORT void fb_arena_seal(arena *a) {
  const size_t page = (size_t)1 << 12, used = (a->top + page - 1) / page * page;
  a->sealed = 1;
  if (used < a->reserved) munmap(a->base + used, a->reserved - used);
  a->reserved = used;
}
/* Gives the pages of a block back; what was in it is lost. */
EXPORT void fb_arena_drop(arena *a, int64_t i) { give_back(a, a->blocks[i].start, a->blocks[i].start + a->blocks[i].size); }
/* The whole arena; nobody may look at its memory any more. */
EXPORT void fb_arena_delete(arena *a) {
  if (a->reserved) munmap(a->base, a->reserved);
  free(a->blocks);
  free(a->live);
  free(a);
}
