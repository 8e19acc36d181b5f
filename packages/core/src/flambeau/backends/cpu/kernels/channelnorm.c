/* types: float double */
/* batch_norm and group_norm (of which instance_norm is a case): planes of `size` elements, one for each sample and channel.
 *
 * A group is what has one mean and one variance: the planes of a channel in all samples (across), or those of neighbouring channels
 * in one sample. Moments are taken in pieces that fit the first cache, about the mean of each, and joined in double; a group that
 * fits the second cache is read from memory once. Few large groups are cut into parts, by the shape alone.
 */
#include "fb.h"
#include "fb_math.h"
#include "fb_vec.h"

#define PIECE 4096 /* elements */

struct call {
  const T *x, *g, *w, *b, *gmean, *gvar;
  T *y, *mean, *rstd, *var; /* var may be null */
  double *parts;           /* forward: count, mean, squares of each part; backward: the sums of each plane */
  int64_t groups, planes;  /* planes of a group */
  int64_t size, step, between; /* from plane to plane of a group, and from group to group */
  int64_t channels, cut;   /* parts of a group */
  double eps;
  int across, past;
};
struct moments { double count, mean, squares; };

INLINE void join(struct moments *a, double count, double mean, double squares) {
  const double all = a->count + count, d = mean - a->mean;
  if (count == 0) return;
  a->squares += squares + d * d * (a->count * count / all);
  a->mean += d * (count / all);
  a->count = all;
}
INLINE int64_t channel_of(const struct call *c, int64_t group, int64_t k) {
  return c->across ? group : group * c->planes % c->channels + k;
}
INLINE const T *plane(const struct call *c, const T *of, int64_t group, int64_t k) {
  return of + group * c->between + k * c->step;
}

INLINE vec run_sum(const T *x, vec shift, int64_t m, int square, vec whole) {
  vec a = {0}, b = {0};
  int64_t i = 0;
  for (; i + 2 * WIDTH <= m; i += 2 * WIDTH) {
    const vec p = load(x + i) - shift, q = load(x + i + WIDTH) - shift;
    a += square ? p * p : p;
    b += square ? q * q : q;
  }
  if (i + WIDTH <= m) {
    const vec p = load(x + i) - shift;
    a += square ? p * p : p;
    i += WIDTH;
  }
  if (i < m) {
    const vec p = load_head(x + i, m - i, shift[0]) - shift;
    b += square ? p * p : p;
  }
  return whole + (a + b);
}

/* The moments of planes [k, end) of a group. */
static struct moments moments_of(const struct call *c, int64_t group, int64_t k, int64_t end) {
  struct moments all = {0, 0, 0};
  const int64_t m = c->size;
  if (m >= PIECE) {
    for (; k < end; ++k)
      for (int64_t i = 0; i < m; i += PIECE) {
        const int64_t n = MIN(PIECE, m - i);
        const T *x = plane(c, c->x, group, k) + i;
        const T mean = total_of(run_sum(x, (vec){0}, n, 0, (vec){0})) / (T)n;
        join(&all, (double)n, (double)mean, (double)total_of(run_sum(x, splat(mean), n, 1, (vec){0})));
      }
    return all;
  }
  const int64_t several = PIECE / m;
  for (; k < end; k += several) {
    const int64_t last = MIN(end, k + several), n = (last - k) * m;
    vec sum = {0}, squares = {0};
    for (int64_t j = k; j < last; ++j) sum = run_sum(plane(c, c->x, group, j), (vec){0}, m, 0, sum);
    const T mean = total_of(sum) / (T)n;
    for (int64_t j = k; j < last; ++j) squares = run_sum(plane(c, c->x, group, j), splat(mean), m, 1, squares);
    join(&all, (double)n, (double)mean, (double)total_of(squares));
  }
  return all;
}

INLINE void settle(const struct call *c, int64_t group, const struct moments *m) {
  const double var = m->squares / m->count;
  c->mean[group] = (T)m->mean;
  c->rstd[group] = (T)(1 / sqrt(var + c->eps));
  if (c->var) c->var[group] = (T)var;
}

INLINE void write_planes(const struct call *c, int64_t group, int64_t k, int64_t end, int past) {
  const vec mean = splat(c->mean[group]);
  for (; k < end; ++k) {
    const int64_t ch = channel_of(c, group, k);
    const vec scale = splat(c->w ? c->rstd[group] * c->w[ch] : c->rstd[group]), shift = splat(c->b ? c->b[ch] : 0);
    const T *RESTRICT x = plane(c, c->x, group, k);
    T *RESTRICT y = (T *)plane(c, c->y, group, k);
    ROW_WRITE(y, c->size, past, (AT(x) - mean) * scale + shift);
  }
  if (past) stream_end();
}

INLINE int64_t first_of(const struct call *c, int64_t part) { return part * c->planes / c->cut; }

static void groups_task(void *context, int64_t begin, int64_t end) {
  const struct call *c = context;
  for (int64_t group = begin; group < end; ++group) {
    const struct moments m = moments_of(c, group, 0, c->planes);
    settle(c, group, &m);
    if (c->past) write_planes(c, group, 0, c->planes, 1);
    else write_planes(c, group, 0, c->planes, 0);
  }
}
static void parts_moments(void *context, int64_t begin, int64_t end) {
  const struct call *c = context;
  for (int64_t item = begin; item < end; ++item) {
    const int64_t part = item % c->cut;
    const struct moments m = moments_of(c, item / c->cut, first_of(c, part), first_of(c, part + 1));
    memcpy(c->parts + 3 * item, &m, sizeof m);
  }
}
static void parts_write(void *context, int64_t begin, int64_t end) {
  const struct call *c = context;
  for (int64_t item = begin; item < end; ++item)
    write_planes(c, item / c->cut, first_of(c, item % c->cut), first_of(c, item % c->cut + 1), c->past);
}

/* Parts of a group: one where there are groups enough, or little to do. */
INLINE int64_t cut_of(int64_t groups, int64_t planes, int64_t size) {
  return groups >= 16 || planes * size < 32768 ? 1 : MIN(planes, 32 / groups);
}
INLINE void lay(struct call *c, int64_t samples, int64_t channels, int64_t size, int64_t groups) {
  c->across = groups == 0, c->channels = channels, c->size = size;
  c->groups = groups ? samples * groups : channels;
  c->planes = groups ? channels / groups : samples;
  c->step = groups ? size : channels * size;
  c->between = groups ? c->planes * size : size;
  c->cut = cut_of(c->groups, c->planes, size);
  c->past = samples * channels * size * (int64_t)sizeof(T) >= STREAM_FROM;
}

/* Of (samples, channels, size), normalised by channel (groups = 0) or by groups of channels of each sample. var may be null; parts:
 * 96 doubles. */
EXPORT void normalize(const T *x, const T *w, const T *b, T *y, T *mean, T *rstd, T *var, double *parts, int64_t samples, int64_t channels, int64_t size, int64_t groups, double eps) {
  struct call c = {.x = x, .w = w, .b = b, .y = y, .mean = mean, .rstd = rstd, .var = var, .parts = parts, .eps = eps};
  lay(&c, samples, channels, size, groups);
  if (c.cut == 1) {
    PARALLEL(groups_task, &c, c.groups, MAX(1, 16384 / (c.planes * size)));
    return;
  }
  PARALLEL(parts_moments, &c, c.groups * c.cut, 1);
  for (int64_t group = 0; group < c.groups; ++group) {
    struct moments all = {0, 0, 0};
    for (int64_t i = 0; i < c.cut; ++i) {
      const double *p = parts + 3 * (group * c.cut + i);
      join(&all, p[0], p[1], p[2]);
    }
    settle(&c, group, &all);
  }
  PARALLEL(parts_write, &c, c.groups * c.cut, 1);
}

/* -- backward: with h = (x - mean) rstd and u = g w, the gradient is rstd (u - mean of u - h mean of u h) ------------- */

/* The sums of g and of g (x - mean) over each plane of [k, end), kept apart. */
INLINE void plane_sums(const struct call *c, int64_t group, int64_t k, int64_t end) {
  const vec mean = splat(c->mean[group]);
  for (; k < end; ++k) {
    const T *RESTRICT x = plane(c, c->x, group, k), *RESTRICT g = plane(c, c->g, group, k);
    double *to = c->parts + 2 * (group * c->planes + k);
    double s = 0, t = 0;
    for (int64_t from = 0; from < c->size; from += PIECE) {
      const int64_t m = MIN(c->size, from + PIECE);
      vec a = {0}, b = {0}, d = {0}, e = {0};
      int64_t i = from;
      for (; i + 2 * WIDTH <= m; i += 2 * WIDTH) {
        const vec p = load(g + i), q = load(g + i + WIDTH);
        a += p;
        b += q;
        d += p * (load(x + i) - mean);
        e += q * (load(x + i + WIDTH) - mean);
      }
      for (; i < m; i += WIDTH) {
        const vec p = load_head(g + i, MIN(WIDTH, m - i), 0);
        a += p;
        d += p * (load_head(x + i, MIN(WIDTH, m - i), 0) - mean);
      }
      s += (double)total_of(a + b);
      t += (double)total_of(d + e);
    }
    to[0] = s, to[1] = t;
  }
}
INLINE void write_back(const struct call *c, int64_t group, int64_t k, int64_t end, int past) {
  const double *p = c->parts + 2 * group * c->planes, n = (double)c->planes * (double)c->size, rstd = (double)c->rstd[group];
  double s = 0, t = 0;
  for (int64_t j = 0; j < c->planes; ++j) {
    const double w = c->w ? (double)c->w[channel_of(c, group, j)] : 1;
    s += w * p[2 * j];
    t += w * p[2 * j + 1];
  }
  const double gm = c->gmean ? (double)c->gmean[group] : 0, gv = c->gvar ? (double)c->gvar[group] : 0;
  const vec mean = splat(c->mean[group]), less = splat((T)((s * rstd - gm) / n));
  const vec slope = splat((T)((t * rstd * rstd * rstd - 2 * gv) / n));
  for (; k < end; ++k) {
    const vec scale = splat(c->w ? c->rstd[group] * c->w[channel_of(c, group, k)] : c->rstd[group]);
    const T *RESTRICT x = plane(c, c->x, group, k), *RESTRICT g = plane(c, c->g, group, k);
    T *RESTRICT y = (T *)plane(c, c->y, group, k);
    ROW_WRITE(y, c->size, past, (AT(g) * scale - less) - (AT(x) - mean) * slope);
  }
  if (past) stream_end();
}
static void groups_back(void *context, int64_t begin, int64_t end) {
  const struct call *c = context;
  for (int64_t group = begin; group < end; ++group) {
    plane_sums(c, group, 0, c->planes);
    if (!c->y) continue;
    if (c->past) write_back(c, group, 0, c->planes, 1);
    else write_back(c, group, 0, c->planes, 0);
  }
}
static void parts_sums(void *context, int64_t begin, int64_t end) {
  const struct call *c = context;
  for (int64_t item = begin; item < end; ++item)
    plane_sums(c, item / c->cut, first_of(c, item % c->cut), first_of(c, item % c->cut + 1));
}
static void parts_back(void *context, int64_t begin, int64_t end) {
  const struct call *c = context;
  for (int64_t item = begin; item < end; ++item)
    write_back(c, item / c->cut, first_of(c, item % c->cut), first_of(c, item % c->cut + 1), c->past);
}

/* Any of y, gw and gb may be null, that is not wanted; parts: 2 doubles for each plane. gmean and gvar, the gradients of what was
 * found, may be null. */
EXPORT void normalize_back(const T *g, const T *gmean, const T *gvar, const T *x, const T *w, const T *mean, const T *rstd, T *y, T *gw, T *gb, double *parts, int64_t samples, int64_t channels, int64_t size, int64_t groups) {
  struct call c = {.x = x, .g = g, .gmean = gmean, .gvar = gvar, .w = w, .y = y, .mean = (T *)mean, .rstd = (T *)rstd, .parts = parts};
  lay(&c, samples, channels, size, groups);
  if (c.cut == 1) {
    PARALLEL(groups_back, &c, c.groups, MAX(1, 16384 / (c.planes * size)));
  } else {
    PARALLEL(parts_sums, &c, c.groups * c.cut, 1);
    if (y) PARALLEL(parts_back, &c, c.groups * c.cut, 1);
  }
  if (!gw && !gb) return;
  for (int64_t ch = 0; ch < channels; ++ch) {
    double s = 0, t = 0;
    for (int64_t n = 0; n < samples; ++n) {
      /* by channel the planes of a channel lie together, by groups those of a sample */
      const int64_t at = c.across ? ch * samples + n : n * channels + ch;
      const double r = (double)rstd[c.across ? ch : (n * channels + ch) / c.planes];
      s += parts[2 * at];
      t += parts[2 * at + 1] * r;
    }
    if (gb) gb[ch] = (T)s;
    if (gw) gw[ch] = (T)t;
  }
}

/* -- by given statistics ------------------------------------------------------------------------------------------- */

static void planes_rescale(void *context, int64_t begin, int64_t end) {
  const struct call *c = context;
  for (int64_t p = begin, ch = begin % c->channels; p < end; ++p, ch = ch + 1 < c->channels ? ch + 1 : 0) {
    const vec scale = splat(c->w[ch]), shift = splat(c->b ? c->b[ch] : 0);
    const T *RESTRICT x = c->x + p * c->size;
    T *RESTRICT y = c->y + p * c->size;
    ROW_WRITE(y, c->size, c->past, AT(x) * scale + shift);
  }
  if (c->past) stream_end();
}
INLINE void run_rescale(struct call *c, int64_t samples, int64_t size) {
  c->size = size;
  c->past = samples * c->channels * size * (int64_t)sizeof(T) >= STREAM_FROM;
  PARALLEL(planes_rescale, c, samples * c->channels, grain_for(samples * c->channels, size));
}
/* (x - mean) / sqrt(var + eps) w + b by channel; w and b may be null. factors: of each channel rstd, scale, shift, one row each. */
EXPORT void rescale(const T *x, const T *mean, const T *var, const T *w, const T *b, T *factors, T *y, int64_t samples, int64_t channels, int64_t size, double eps) {
  T *RESTRICT rstd = factors, *RESTRICT scale = rstd + channels, *RESTRICT shift = scale + channels;
#pragma omp simd
  for (int64_t ch = 0; ch < channels; ++ch) {
    const double r = 1 / sqrt((double)var[ch] + eps), k = w ? r * (double)w[ch] : r;
    rstd[ch] = (T)r, scale[ch] = (T)k, shift[ch] = (T)((b ? (double)b[ch] : 0) - (double)mean[ch] * k);
  }
  struct call c = {.x = x, .w = scale, .b = shift, .y = y, .channels = channels};
  run_rescale(&c, samples, size);
}
/* Its gradients, each where it is not null. parts: 2 doubles for each plane, or null where only y is wanted. */
EXPORT void rescale_back(const T *g, const T *x, const T *mean, const T *factors, T *y, T *gmean, T *gvar, T *gw, T *gb, double *parts, int64_t samples, int64_t channels, int64_t size) {
  const T *rstd = factors, *scale = rstd + channels;
  if (y) {
    struct call c = {.x = g, .w = scale, .y = y, .channels = channels};
    run_rescale(&c, samples, size);
  }
  if (!parts) return;
  struct call c = {.x = x, .g = g, .mean = (T *)mean, .parts = parts};
  lay(&c, samples, channels, size, 0);
  c.cut = 1;
  PARALLEL(groups_back, &c, channels, MAX(1, 16384 / (samples * size)));
  for (int64_t ch = 0; ch < channels; ++ch) {
    const double r = (double)rstd[ch], k = (double)scale[ch];
    double s = 0, t = 0;
    for (int64_t n = 0; n < samples; ++n) s += parts[2 * (ch * samples + n)], t += parts[2 * (ch * samples + n) + 1];
    if (gmean) gmean[ch] = (T)(-s * k);
    if (gvar) gvar[ch] = (T)(-0.5 * t * k * r * r);
    if (gw) gw[ch] = (T)(t * r);
    if (gb) gb[ch] = (T)s;
  }
}
