/* The pool and the memory under load from several threads, for ThreadSanitizer: calls at once, calls inside of calls, a number of
 * threads that changes meanwhile, threads that end, forked children; calls that get no memory; blocks that grow, are freed elsewhere
 * and given back.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

typedef void (*fb_task)(void *context, int64_t begin, int64_t end);
void fb_parallel(fb_task f, void *context, int64_t count, int64_t grain);
void fb_set_threads(int);
void *fb_scratch(int slot, size_t bytes);
struct fb_frame {
  jmp_buf place;
  struct fb_frame *outer;
};
struct fb_services {
  void (*parallel)(fb_task, void *, int64_t, int64_t);
  void *(*scratch)(int, size_t);
  int (*threads)(void);
  struct fb_frame **(*frame)(void);
};
const struct fb_services *fb_services(void);

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
handler *fb_memory(const handler *before);
int64_t fb_memory_release(void);
void fb_memory_numbers(int64_t out[5]);

static atomic_int wrong = 0;
static handler *memory;

static void *plain_malloc(void *ctx, size_t size) { (void)ctx; return malloc(size); }
static void *plain_calloc(void *ctx, size_t count, size_t size) { (void)ctx; return calloc(count, size); }
static void *plain_realloc(void *ctx, void *p, size_t size) { (void)ctx; return realloc(p, size); }
static void plain_free(void *ctx, void *p, size_t size) { (void)ctx, (void)size; free(p); }

struct sum {
  const int32_t *x;
  int64_t *parts, grain;
  int depth;
};

/* Adds a block up by way of scratch memory; every other level calls the pool from inside of a task. */
static void add_block(void *context, int64_t begin, int64_t end) {
  const struct sum *c = context;
  int32_t *own = fb_scratch(c->depth, (size_t)(end - begin) * sizeof *own);
  memcpy(own, c->x + begin, (size_t)(end - begin) * sizeof *own);
  int64_t total = 0;
  if (c->depth == 0) {
    int64_t parts[64] = {0};
    struct sum inner = {own, parts, 64, 1};
    fb_parallel(add_block, &inner, end - begin, 64);
    for (int i = 0; i < 64; ++i) total += parts[i];
  } else {
    for (int64_t i = 0; i < end - begin; ++i) total += own[i];
  }
  c->parts[begin / c->grain] = total;
}

static void check_sum(const int32_t *x, int64_t n) {
  int64_t parts[64] = {0}, total = 0;
  struct sum c = {x, parts, 1024, 0};
  fb_parallel(add_block, &c, n, 1024);
  for (int i = 0; i < 64; ++i) total += parts[i];
  if (total != n * (n - 1) / 2) atomic_fetch_add(&wrong, 1);
}

/* One block asks for more than there is; some tasks call the pool. */
static void ask(void *context, int64_t begin, int64_t end) {
  const int64_t *at = context;
  fb_scratch(2, begin == *at ? (size_t)1 << 60 : 4096);
  if (end - begin == 1 && begin % 8 == 0) {
    int64_t inner = *at == begin + 1000 ? 2 : -1;
    fb_parallel(ask, &inner, 5, 2);
  }
}

/* The call is given up where `at` is one of the blocks, or the task of which a call inside asks too much. */
static void check_given_up(int64_t at) {
  struct fb_frame here, **const top = fb_services()->frame();
  const int expected = at < 64 || (at < 1064 && at % 8 == 0);
  here.outer = *top;
  if (_setjmp(here.place)) {
    *fb_services()->frame() = here.outer;
    if (!expected) atomic_fetch_add(&wrong, 1);
    return;
  }
  *top = &here;
  fb_parallel(ask, &at, 64, 1);
  *top = here.outer;
  if (expected) atomic_fetch_add(&wrong, 1);
}

static void *compute(void *given) {
  const int me = (int)(intptr_t)given;
  const int64_t n = 20000 + 1000 * me;
  int32_t *x = malloc((size_t)n * sizeof *x);
  for (int64_t i = 0; i < n; ++i) x[i] = (int32_t)i;
  for (int round = 0; round < 60; ++round) {
    if (me == 0) fb_set_threads(1 + round % 7);
    check_sum(x, n);
    check_given_up(round % 3 == 0 ? round : round % 3 == 1 ? 1000 + round : 2000);
    if (me == 1 && round % 20 == 10) usleep(2000); /* long enough for workers to fall asleep */
  }
  free(x);
  return 0;
}

/* A block is filled by one thread, checked and freed by another. */
static _Atomic(unsigned char *) handed[64];

static void *allocate(void *given) {
  unsigned seed = (unsigned)(intptr_t)given;
  const allocator *a = &memory->calls;
  for (int round = 0; round < 2000; ++round) {
    const size_t size = (size_t)1 << (16 + rand_r(&seed) % 5) | (size_t)(rand_r(&seed) % 4096);
    unsigned char *p = round % 3 ? a->malloc(a->ctx, size) : a->calloc(a->ctx, size, 1);
    if (round % 3 == 0 && (p[0] || p[size - 1])) atomic_fetch_add(&wrong, 1);
    memset(p, round & 255, 64);
    if (round % 5 == 0) {
      p = a->realloc(a->ctx, p, size * 2);
      if (p[63] != (round & 255)) atomic_fetch_add(&wrong, 1);
    }
    memcpy(p, &size, sizeof size);
    unsigned char *other = atomic_exchange(&handed[rand_r(&seed) % 64], p);
    if (other) {
      size_t of;
      memcpy(&of, other, sizeof of);
      a->free(a->ctx, other, of);
    }
    if (round % 500 == 0) fb_memory_release();
  }
  return 0;
}

static void all(void *(*work)(void *), int threads) {
  pthread_t running[16];
  for (int i = 0; i < threads; ++i) pthread_create(&running[i], 0, work, (void *)(intptr_t)i);
  for (int i = 0; i < threads; ++i) pthread_join(running[i], 0);
}

int main(void) {
  static handler plain = {"plain", 1, {0, plain_malloc, plain_calloc, plain_realloc, plain_free}};
  memory = fb_memory(&plain);
  all(compute, 4);
  all(allocate, 4);
  for (int i = 0; i < 4; ++i) { /* a child has a pool and memory of its own */
    const pid_t child = fork();
    if (!child) {
      fb_set_threads(3);
      compute((void *)(intptr_t)2);
      allocate((void *)(intptr_t)9);
      _exit(atomic_load(&wrong) ? 3 : 0);
    }
    int status;
    if (waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status)) {
      fprintf(stderr, "a forked child ended with %d\n", status);
      atomic_fetch_add(&wrong, 1);
    }
    compute((void *)(intptr_t)0);
  }
  int64_t numbers[5];
  fb_memory_numbers(numbers);
  printf("pool and memory: %d wrong, %lld blocks asked for, %lld served again\n", atomic_load(&wrong), (long long)numbers[3], (long long)numbers[4]);
  return atomic_load(&wrong) != 0;
}
