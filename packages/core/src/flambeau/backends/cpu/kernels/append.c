/* types: uint8_t */
/* A block of elements put behind others in memory that has room for it. */
#include "fb.h"

struct appending {
  char *to;
  const char *from;
  int64_t bytes, count[3], there[3], here[3]; /* bytes of a run; runs, and how far apart they are in both */
};
static void runs(void *context, int64_t begin, int64_t end) {
  const struct appending *c = context;
  for (int64_t i = begin; i < end; ++i) {
    const int64_t z = i % c->count[2], y = i / c->count[2] % c->count[1], x = i / c->count[2] / c->count[1];
    memcpy(c->to + x * c->there[0] + y * c->there[1] + z * c->there[2], c->from + x * c->here[0] + y * c->here[1] + z * c->here[2], (size_t)c->bytes);
  }
}

EXPORT void append(void *to, const void *from, int64_t bytes, int64_t n0, int64_t there0, int64_t here0, int64_t n1, int64_t there1, int64_t here1, int64_t n2, int64_t there2, int64_t here2) {
  struct appending c = {to, from, bytes, {n0, n1, n2}, {there0, there1, there2}, {here0, here1, here2}};
  PARALLEL(runs, &c, n0 * n1 * n2, grain_for(n0 * n1 * n2, bytes / 4));
}
