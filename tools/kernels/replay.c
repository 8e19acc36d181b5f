/* Makes recorded kernel calls (`recording.py`) once more, on another processor or compiler, and compares what they write.
 *
 *     replay CALLS [THREADS [TOLERANCE]]
 *
 * Every call gets memory of its own, of the recorded sizes and alignments, from malloc. With several threads each makes all the
 * calls, each beginning at another. Numbers that are no floats must be equal; floats may differ by `TOLERANCE` times the
 * roundings of the largest number there is in the array. The switch over functions is generated: `calls.h`.
 */
#define _GNU_SOURCE
#include <math.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct { int64_t tag, value, offset; } word;
typedef struct {
  int64_t size, shift, element, changed;
  const char *before, *after;
} buffer;
typedef struct {
  int64_t function, threads, words, buffers, returned, returns;
  const word *word;
  buffer *buffer;
} call;
typedef void (*nest)(void *const *a, const double *p, const int64_t *n, const int64_t *s, int64_t begin, int64_t end);

void fb_set_threads(int);
void fb_run(nest f, void *const *a, const double *p, const int64_t *n, const int64_t *s, int64_t count, int64_t grain);
const void *fb_services(void);

#include "calls.h" /* names[], bind_all(), invoke(function, p, i, d, count) */

static call *calls;
static int64_t count = 0;
static double tolerance = 64;

static void *must(void *p) {
  if (!p) {
    fprintf(stderr, "out of memory\n");
    exit(2);
  }
  return p;
}

static void read_calls(const char *path) {
  FILE *file = fopen(path, "rb");
  if (!file) {
    perror(path);
    exit(2);
  }
  fseek(file, 0, SEEK_END);
  const size_t size = (size_t)ftell(file);
  rewind(file);
  char *data = must(malloc(size + 1));
  if (fread(data, 1, size, file) != size) exit(2);
  fclose(file);
  int64_t room = 0;
  for (char *at = data; at < data + size;) {
    if (count == room) calls = must(realloc(calls, (size_t)(room = 2 * room + 64) * sizeof *calls));
    call *c = &calls[count++];
    memcpy(c, at, 48);
    at += 48;
    word *w = must(malloc((size_t)c->words * sizeof(word) + 1));
    memcpy(w, at, (size_t)c->words * sizeof(word));
    at += (size_t)c->words * sizeof(word);
    c->word = w;
    c->buffer = must(calloc((size_t)c->buffers + 1, sizeof(buffer)));
    for (int64_t i = 0; i < c->buffers; ++i) {
      buffer *b = &c->buffer[i];
      memcpy(b, at, 32);
      b->before = at += 32;
      b->after = at += b->changed ? b->size : 0;
      at += b->size;
    }
  }
}

/* The largest distance in roundings of the largest number of the array, NaN against NaN being none. Where a kernel for float32
 * or halves keeps sums in double, these too are as exact as what was added up. */
static double distance(const buffer *b, const char *got, int rough) {
  double top = 0, far = 0;
  const int single = b->element == 4;
  for (int64_t i = 0; i < b->size / b->element; ++i) {
    float f, g;
    double x, y;
    if (single) memcpy(&f, b->after + 4 * i, 4), memcpy(&g, got + 4 * i, 4), x = f, y = g;
    else memcpy(&x, b->after + 8 * i, 8), memcpy(&y, got + 8 * i, 8);
    if (isnan(x) || isnan(y)) {
      if (isnan(x) != isnan(y)) return INFINITY;
    } else if (isinf(x) || isinf(y)) {
      if (x != y) return INFINITY;
    } else {
      top = fmax(top, fabs(x)), far = fmax(far, fabs(x - y));
    }
  }
  return far == 0 ? 0 : far / ((top > 0 ? top : 1) * (single || rough ? 0x1p-24 : 0x1p-53));
}

static float of_half(uint16_t h, int brain) {
  const uint32_t size = h & 0x7FFF, bits = brain ? size << 16 : (size << 13) + (112u << 23);
  float x;
  memcpy(&x, &bits, 4);
  if (!brain && size >= 0x7C00) x = size > 0x7C00 ? NAN : INFINITY;
  if (!brain && size < 0x400) x = (float)size * 0x1p-24f;
  return h >> 15 ? -x : x;
}

/* The same of floats of two bytes. `rounds`: they may be neighbours, too, where sums that differ in their last bits were rounded; else,
 * where each comes of one computation, they are the same. The sign and payload of NaN are the processor's. */
static double distance_of_halves(const buffer *b, const char *got, int rounds) {
  const int brain = b->element == 3;
  double top = 0, far = 0;
  for (int64_t i = 0; i < b->size / 2; ++i) {
    uint16_t h, k;
    memcpy(&h, b->after + 2 * i, 2), memcpy(&k, got + 2 * i, 2);
    const float x = of_half(h, brain), y = of_half(k, brain);
    if (isnan(x) || isnan(y)) {
      if (isnan(x) != isnan(y)) return INFINITY;
    } else if (h != k) {
      if (!rounds || isinf(x) || isinf(y)) return INFINITY;
      const float larger = fmaxf(fabsf(x), fabsf(y));
      const double unit = brain ? fmax(ldexp(1, ilogbf(larger) - 7), 0x1p-133) : fmax(ldexp(1, ilogbf(larger) - 10), 0x1p-24);
      top = fmax(top, larger), far = fmax(far, fabs((double)x - y) - unit);
    } else if (!isinf(x)) top = fmax(top, fabsf(x));
  }
  return far <= 0 ? 0 : far / (top * 0x1p-24);
}

/* 0: as recorded. */
static int make(const call *c) {
  char *whole[64], *at[64];
  void *p[64] = {0};
  int64_t n[64] = {0};
  double d[64] = {0};
  for (int64_t i = 0; i < c->buffers; ++i) {
    void *got = 0;
    if (posix_memalign(&got, 64, (size_t)(c->buffer[i].size + c->buffer[i].shift + !c->buffer[i].size))) exit(2);
    whole[i] = got;
    at[i] = whole[i] + c->buffer[i].shift;
    memcpy(at[i], c->buffer[i].before, (size_t)c->buffer[i].size);
  }
  for (int64_t i = 0; i < c->words; ++i) {
    const word *w = &c->word[i];
    if (w->tag == 1) n[i] = w->value;
    if (w->tag == 2) memcpy(&d[i], &w->value, 8);
    if (w->tag == 3) p[i] = at[w->value] + w->offset;
  }
  fb_set_threads((int)c->threads);
  const int64_t returned = invoke(c->function, p, n, d, c->words);
  int wrong = 0;
  if (c->returns && returned != c->returned) {
    fprintf(stderr, "%s returned %lld, not %lld\n", names[c->function], (long long)returned, (long long)c->returned);
    wrong = 1;
  }
  for (int64_t i = 0; i < c->buffers; ++i) {
    const buffer *b = &c->buffer[i];
    if (b->element && memcmp(at[i], b->after, (size_t)b->size)) { /* 0: scratch */
      const char *name = names[c->function];
      const double far = b->element == 1 ? INFINITY
                         : b->element < 4 ? distance_of_halves(b, at[i], strncmp(name, "nest", 4) != 0)
                                          : distance(b, at[i], strstr(name, "_float32_") || strstr(name, "float16_"));
      if (!(far <= tolerance)) {
        fprintf(stderr, "%s: buffer %lld of %lld bytes differs by %g roundings of its largest\n", name, (long long)i, (long long)b->size, far);
        wrong = 1;
      }
    }
    free(whole[i]);
  }
  return wrong;
}

static void *replay(void *given) {
  const int64_t me = (int64_t)(intptr_t)given;
  int64_t wrong = 0;
  for (int64_t i = 0; i < count; ++i) wrong += make(&calls[(i + me * 37) % count]);
  return (void *)(intptr_t)wrong;
}

int main(int argc, char **argv) {
  if (argc < 2) return 2;
  read_calls(argv[1]);
  bind_all(fb_services());
  const int threads = argc > 2 ? atoi(argv[2]) : 1;
  if (argc > 3) tolerance = atof(argv[3]);
  pthread_t running[64];
  int64_t wrong = 0;
  for (int i = 0; i < threads && i < 64; ++i)
    if (pthread_create(&running[i], 0, replay, (void *)(intptr_t)i)) return 2;
  for (int i = 0; i < threads && i < 64; ++i) {
    void *found;
    pthread_join(running[i], &found);
    wrong += (int64_t)(intptr_t)found;
  }
  printf("%lld calls of %d functions by %d threads, %lld not as recorded\n", (long long)count, FUNCTIONS, threads, (long long)wrong);
  return wrong != 0;
}
