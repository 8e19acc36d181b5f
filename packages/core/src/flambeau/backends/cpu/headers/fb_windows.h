/* Planes laid out so that every tap of a window is one contiguous read.
 *
 * A prepared plane holds the padded input, cut by the stride into phases: the element at padded coordinates p stands in phase
 * p % step at place p / step, in each dimension. A tap of all windows is then the plane read from one offset on, whatever the
 * stride and dilation; windows and places run with the same pitches. Where the step is 1, the padding behind a row is the
 * padding before the next one.
 */
#ifndef FB_WINDOWS_H
#define FB_WINDOWS_H
#include "fb.h"
#include "fb_vec.h"

/* -- rows ------------------------------------------------------------------------------------------------------------- */

/* `count` elements. Ends overlap what is before them: a store by a mask that meets two lines takes longer than two. */
INLINE void copy_row(T *RESTRICT to, const T *RESTRICT from, int64_t count) {
  if (count >= WIDTH) {
    for (int64_t v = 0; v + WIDTH < count; v += WIDTH) store(to + v, load(from + v));
    store(to + count - WIDTH, load(from + count - WIDTH));
    return;
  }
#define FB_COPY_ENDS(n)                                                                     \
  if (count >= (n)) {                                                                       \
    memcpy(to, from, (n) * sizeof(T)), memcpy(to + count - (n), from + count - (n), (n) * sizeof(T)); \
    return;                                                                                 \
  }
  FB_COPY_ENDS(8)
  FB_COPY_ENDS(4)
  FB_COPY_ENDS(2)
  if (count > 0) *to = *from;
#undef FB_COPY_ENDS
}

#if defined(__clang__)
#define FB_PICK(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define FB_PICK(a, b, ...) __builtin_shuffle(a, b, (ivec){__VA_ARGS__})
#endif
#if defined(T_FLOAT32)
#define FB_LANES (VECTOR_BYTES / 4)
#else
#define FB_LANES (VECTOR_BYTES / 8)
#endif
#if FB_LANES == 2
#define FB_EACH(f, n) f(0, n), f(1, n)
#define FB_EVENS 0, 2
#define FB_ODDS 1, 3
#define FB_LOWS 0, 2
#define FB_HIGHS 1, 3
#elif FB_LANES == 4
#define FB_EACH(f, n) f(0, n), f(1, n), f(2, n), f(3, n)
#define FB_EVENS 0, 2, 4, 6
#define FB_ODDS 1, 3, 5, 7
#define FB_LOWS 0, 4, 1, 5
#define FB_HIGHS 2, 6, 3, 7
#elif FB_LANES == 8
#define FB_EACH(f, n) f(0, n), f(1, n), f(2, n), f(3, n), f(4, n), f(5, n), f(6, n), f(7, n)
#define FB_EVENS 0, 2, 4, 6, 8, 10, 12, 14
#define FB_ODDS 1, 3, 5, 7, 9, 11, 13, 15
#define FB_LOWS 0, 8, 1, 9, 2, 10, 3, 11
#define FB_HIGHS 4, 12, 5, 13, 6, 14, 7, 15
#else
#define FB_EACH(f, n) \
  f(0, n), f(1, n), f(2, n), f(3, n), f(4, n), f(5, n), f(6, n), f(7, n), f(8, n), f(9, n), f(10, n), f(11, n), f(12, n), f(13, n), f(14, n), f(15, n)
#define FB_EVENS 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30
#define FB_ODDS 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31
#define FB_LOWS 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define FB_HIGHS 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
#endif

/* x's elements 0, 2, 4, ... to `even` and, unless that is NULL, 1, 3, 5, ... to `odd`. */
static void split_row(const T *x, int64_t count, T *even, T *odd) {
  int64_t i = 0;
  for (; i + 2 * WIDTH <= count; i += 2 * WIDTH) {
    const vec a = load(x + i), b = load(x + i + WIDTH);
    store(even + i / 2, FB_PICK(a, b, FB_EVENS));
    if (odd) store(odd + i / 2, FB_PICK(a, b, FB_ODDS));
  }
  if (i == count) return;
  const int64_t left = count - i, one = MIN(left, WIDTH);
  const vec a = load_head(x + i, one, 0), b = left > WIDTH ? load_head(x + i + WIDTH, left - WIDTH, 0) : (vec){0};
  store_head(even + i / 2, FB_PICK(a, b, FB_EVENS), (left + 1) / 2);
  if (odd) store_head(odd + i / 2, FB_PICK(a, b, FB_ODDS), left / 2);
}

/* Elements n, n + 3, n + 6, ... of three vectors: of the first two, then with those of the third. */
#define FB_OF_TWO(i, n) (3 * (i) + (n) < 2 * FB_LANES ? 3 * (i) + (n) : 0)
#define FB_WITH_THIRD(i, n) (3 * (i) + (n) < 2 * FB_LANES ? (i) : 3 * (i) + (n) - FB_LANES)
INLINE void split_in_three(const T *x, vec *phase) {
  const vec a = load(x), b = load(x + WIDTH), c = load(x + 2 * WIDTH);
  const vec p = FB_PICK(a, b, FB_EACH(FB_OF_TWO, 0)), q = FB_PICK(a, b, FB_EACH(FB_OF_TWO, 1)), r = FB_PICK(a, b, FB_EACH(FB_OF_TWO, 2));
  phase[0] = FB_PICK(p, c, FB_EACH(FB_WITH_THIRD, 0));
  phase[1] = FB_PICK(q, c, FB_EACH(FB_WITH_THIRD, 1));
  phase[2] = FB_PICK(r, c, FB_EACH(FB_WITH_THIRD, 2));
}
/* Elements n, n + 4, n + 8, ... of four vectors. */
INLINE void split_in_four(const T *x, vec *phase) {
  const vec a = load(x), b = load(x + WIDTH), c = load(x + 2 * WIDTH), d = load(x + 3 * WIDTH);
  const vec even = FB_PICK(a, b, FB_EVENS), odd = FB_PICK(a, b, FB_ODDS), evens = FB_PICK(c, d, FB_EVENS), odds = FB_PICK(c, d, FB_ODDS);
  phase[0] = FB_PICK(even, evens, FB_EVENS), phase[1] = FB_PICK(odd, odds, FB_EVENS);
  phase[2] = FB_PICK(even, evens, FB_ODDS), phase[3] = FB_PICK(odd, odds, FB_ODDS);
}

/* a[0], b[0], a[1], b[1], ...: `count` of them. */
static void weave_rows(T *to, const T *a, const T *b, int64_t count) {
  int64_t i = 0;
  for (; i + 2 * WIDTH <= count; i += 2 * WIDTH) {
    const vec p = load(a + i / 2), q = load(b + i / 2);
    store(to + i, FB_PICK(p, q, FB_LOWS));
    store(to + i + WIDTH, FB_PICK(p, q, FB_HIGHS));
  }
  if (i == count) return;
  const int64_t left = count - i, one = MIN(left, WIDTH);
  const vec p = load_head(a + i / 2, (left + 1) / 2, 0), q = load_head(b + i / 2, left / 2, 0);
  store_head(to + i, FB_PICK(p, q, FB_LOWS), one);
  if (left > WIDTH) store_head(to + i + WIDTH, FB_PICK(p, q, FB_HIGHS), left - WIDTH);
}

/* -- frames ----------------------------------------------------------------------------------------------------------- */

struct frame {
  int64_t size[3], lo[3], step[3]; /* of what is laid out, what is put before it (less than 0: cut off), and the stride */
  int64_t phases[3], room[3];      /* phases that taps look at, the first ones, and the places of each */
  int64_t plane;                   /* elements from plane to plane */
};

/* Reads a frame from 16 numbers that Python wrote. */
INLINE struct frame read_frame(const int64_t *n) {
  struct frame f;
  for (int i = 0; i < 3; ++i) f.size[i] = n[i], f.lo[i] = n[3 + i], f.step[i] = n[6 + i], f.phases[i] = n[9 + i], f.room[i] = n[12 + i];
  f.plane = n[15];
  return f;
}

/* Elements [begin, end) of a row, one phase after the other. */
static void place_some(const struct frame *f, const T *RESTRICT x, int64_t begin, int64_t end, T *RESTRICT to, int64_t volume) {
  const int64_t s = f->step[2], lo = f->lo[2];
  for (int64_t phase = 0; begin < end && phase < f->phases[2]; ++phase) {
    const int64_t first = begin + ((phase - begin - lo) % s + s) % s;
    T *at = to + phase * volume + (first + lo) / s;
    for (int64_t w = first; w < end; w += s) *at++ = x[w];
  }
}

static void place_row(const struct frame *f, const T *RESTRICT x, T *RESTRICT to, int64_t volume) {
  const int64_t s = f->step[2], lo = f->lo[2];
  int64_t begin = MAX(0, -lo), end = MIN(f->size[2], f->room[2] * s - lo);
  if (begin >= end) return;
  if (s == 1) {
    copy_row(to + lo + begin, x + begin, end - begin);
  } else if (s == 2) {
    T *odd = f->phases[2] > 1 ? to + volume : 0;
    if ((begin + lo) & 1) {
      if (odd) odd[(begin + lo) / 2] = x[begin];
      ++begin;
    }
    if (begin < end) split_row(x + begin, end - begin, to + (begin + lo) / 2, odd ? odd + (begin + lo) / 2 : 0);
  } else {
    const int64_t last = (end + lo) / s;
    int64_t j = (begin + lo + s - 1) / s;
    if ((s == 3 || s == 4) && j + WIDTH <= last) {
      place_some(f, x, begin, j * s - lo, to, volume);
      for (; j + WIDTH <= last; j += WIDTH) {
        vec phase[4];
        if (s == 3) split_in_three(x + j * s - lo, phase);
        else split_in_four(x + j * s - lo, phase);
        for (int64_t i = 0; i < f->phases[2]; ++i) store(to + i * volume + j, phase[i]);
      }
      begin = j * s - lo;
    }
#if defined(GEMM_LANES) /* whole steps as the columns of squares, where fb_gemm.h is at hand */
    if (s <= GEMM_LANES && j < last && f->phases[2] > 1) {
      place_some(f, x, begin, j * s - lo, to, volume);
      for (int64_t count; j < last; j += count) {
        vec r[GEMM_LANES];
        count = MIN(WIDTH, last - j);
        for (int64_t i = 0; i < GEMM_LANES; ++i) r[i] = i < count ? load_head(x + (j + i) * s - lo, s, 0) : (vec){0};
        gemm_transpose(r);
        for (int64_t phase = 0; phase < f->phases[2]; ++phase) {
          vec one;
          memcpy(&one, (const char *)r + phase * VECTOR_BYTES, VECTOR_BYTES);
          store_head(to + phase * volume + j, one, count);
        }
      }
      begin = last * s - lo;
    }
#endif
    place_some(f, x, begin, end, to, volume);
  }
}

/* Writes all of a prepared plane that is not padding. */
static void place_plane(const struct frame *f, const T *x, T *to) {
  const int64_t volume = f->room[0] * f->room[1] * f->room[2];
  for (int64_t d = 0; d < f->size[0]; ++d) {
    const int64_t pd = d + f->lo[0];
    if (pd < 0 || pd >= f->room[0] * f->step[0] || pd % f->step[0] >= f->phases[0]) continue;
    for (int64_t h = 0; h < f->size[1]; ++h) {
      const int64_t ph = h + f->lo[1];
      if (ph < 0 || ph >= f->room[1] * f->step[1] || ph % f->step[1] >= f->phases[1]) continue;
      const int64_t phase = (pd % f->step[0] * f->phases[1] + ph % f->step[1]) * f->phases[2];
      const int64_t place = (pd / f->step[0] * f->room[1] + ph / f->step[1]) * f->room[2];
      place_row(f, x + (d * f->size[1] + h) * f->size[2], to + phase * volume + place, volume);
    }
  }
}

/* -- the plan of a convolution, from numbers that Python wrote --------------------------------------------------------- */

/* One part: positions j of a grid, their taps, and where their results go: first + j * step, if that is inside. */
struct part {
  int64_t taps, grid[3], first[3], step[3];
  const int64_t *offset, *tap; /* of each tap: in a prepared plane, and in the weight */
  const T *weight;             /* for the kernel's own use */
};

struct plan {
  int64_t images, groups, channels, rows; /* channels and rows of weights of a group */
  int64_t packed, prepared;               /* whether columns are packed, and planes laid out anew */
  int64_t row_stride, channel_stride, group_stride; /* of the weights */
  int64_t pitch[2], walk;                 /* from a window to that behind, below and beside it, in a prepared plane */
  int64_t size[3];                        /* of the result's planes */
  struct frame frame;
  int64_t part_count, taps, span;         /* taps of all parts; places from the first window to the last */
  struct part *parts;
};
enum { PLAN_HEAD = 32, PLAN_PART = 10 };

/* The numbers are, in this order: images, groups, channels, rows, packed, prepared, parts, the strides of rows, channels and
 * groups in the weights, two pitches, size, frame (16 numbers), walk; from PLAN_HEAD on for each part: taps, grid, first, step; behind
 * all parts for each its offsets and its taps. The parts are put into scratch memory of the given slot. */
static struct plan read_plan(const int64_t *n, int slot) {
  struct plan p = {.images = n[0], .groups = n[1], .channels = n[2], .rows = n[3], .packed = n[4], .prepared = n[5], .part_count = n[6]};
  p.row_stride = n[7], p.channel_stride = n[8], p.group_stride = n[9], p.pitch[0] = n[10], p.pitch[1] = n[11];
  for (int i = 0; i < 3; ++i) p.size[i] = n[12 + i];
  p.frame = read_frame(n + 15), p.walk = n[31];
  p.parts = SCRATCH(slot, (size_t)p.part_count * sizeof(struct part));
  const int64_t *table = n + PLAN_HEAD + PLAN_PART * p.part_count;
  for (int64_t i = 0; i < p.part_count; ++i) {
    const int64_t *m = n + PLAN_HEAD + PLAN_PART * i;
    struct part *at = p.parts + i;
    at->taps = m[0], at->offset = table, at->tap = table + m[0], table += 2 * m[0], p.taps += m[0];
    for (int j = 0; j < 3; ++j) at->grid[j] = m[1 + j], at->first[j] = m[4 + j], at->step[j] = m[7 + j];
  }
  const int64_t *grid = p.parts[0].grid; /* the same for all */
  p.span = (grid[0] - 1) * p.pitch[0] + (grid[1] - 1) * p.pitch[1] + (grid[2] - 1) * p.walk + 1;
  return p;
}

/* -- parts without taps ------------------------------------------------------------------------------------------------ */

struct start { T *y; const T *bias; int64_t rows, volume; };

static void start_planes(void *context, int64_t begin, int64_t end) {
  const struct start *c = context;
  for (int64_t at = begin; at < end; ++at) {
    const vec b = splat(c->bias ? c->bias[at % c->rows] : 0);
    T *y = c->y + at * c->volume;
    int64_t v = 0;
    for (; v + WIDTH <= c->volume; v += WIDTH) store(y + v, b);
    if (v < c->volume) store_head(y + v, b, c->volume - v);
  }
}

/* Where some parts have no taps (a stride wider than the window), all results begin as the bias, and these parts are left out. */
static void leave_out_empty(struct plan *p, T *y, const T *bias) {
  int64_t kept = 0;
  for (int64_t i = 0; i < p->part_count; ++i) kept += p->parts[i].taps > 0;
  if (kept == p->part_count || kept == 0) return;
  struct start c = {y, bias, p->groups * p->rows, p->size[0] * p->size[1] * p->size[2]};
  const int64_t planes = p->images * p->groups * p->rows;
  PARALLEL(start_planes, &c, planes, grain_for(planes, c.volume));
  kept = 0;
  for (int64_t i = 0; i < p->part_count; ++i)
    if (p->parts[i].taps > 0) p->parts[kept++] = p->parts[i];
  p->part_count = kept;
}

/* -- pairs of parts ------------------------------------------------------------------------------------------------------ */

/* Whether parts come in pairs whose results are even and odd places of the same rows (a gradient for the input with a stride of 2). */
static int are_pairs(const struct plan *p) {
  if (p->part_count % 2) return 0;
  for (int64_t i = 0; i < p->part_count; i += 2) {
    const struct part *a = p->parts + i, *b = a + 1;
    if (a->step[2] != 2 || a->first[2] != 0 || b->first[2] != 1 || a->first[1] != b->first[1] || a->first[0] != b->first[0]) return 0;
  }
  return 1;
}

/* Sums of a pair in `count` windows from (d, h, w) on, for `rows` planes, to those that begin at y. */
static void write_pair(const struct plan *p, const struct part *first, int64_t d, int64_t h, int64_t w, int64_t count, const T *even, const T *odd, int64_t pitch, T *y, int64_t rows) {
  const int64_t *size = p->size, volume = size[0] * size[1] * size[2], there = MIN(2 * count, size[2] - 2 * w);
  d = first->first[0] + d * first->step[0], h = first->first[1] + h * first->step[1];
  if (d >= size[0] || h >= size[1] || there <= 0) return;
  y += (d * size[1] + h) * size[2] + 2 * w;
  for (int64_t r = 0; r < rows; ++r) weave_rows(y + r * volume, even + r * pitch, odd + r * pitch, there);
}
#endif
