/* types: float double */
/* Images sampled linearly at given places, as `ops/grid.py` defines it, and the gradients for the image and for the places.
 *
 * For each place its four neighbours and their weights are found once, in double, and used for all channels. A neighbour outside is -1.
 */
#include "fb.h"

enum { ZEROS, BORDER, REFLECTION };
#define BLOCK 64 /* places whose neighbours are kept at a time */

struct call {
  const T *x, *grid, *g;
  T *y, *ggrid;
  int64_t channels, height, width, places, blocks;
  int padding, corners;
};
struct corners { int32_t at[4][BLOCK]; T w[4][BLOCK]; double part[2][BLOCK], slope[2][BLOCK]; }; /* dimension 0 is x */

/* Where a coordinate lies after padding, and how that moves with it. */
INLINE double bounded(double v, double scale, double less, double n, double low, double span, int padding, double *slope) {
  double place = (v + 1) * scale - less, move = scale;
  if (padding == REFLECTION) {
    const double away = place - low, far = away < 0 ? -away : away, times = floor(far / span), extra = far - times * span;
    const int odd = times - 2 * floor(times * 0.5) != 0;
    move = (away < 0) != odd ? -move : move;
    place = (odd ? span - extra : extra) + low;
    place = span > 0 ? place : 0;
  }
  if (padding != ZEROS) {
    const int inside = place > 0 && place < n - 1;
    move = inside ? move : 0;
    place = place > 0 ? (place < n - 1 ? place : n - 1) : 0;
  }
  *slope = move;
  return place;
}
INLINE int32_t whole(double v, double n) { return (int32_t)(v >= 0 ? (v < n ? v : -1) : -1); }

INLINE void find_with(const struct call *c, const T *RESTRICT grid, int64_t m, struct corners *to, int padding) {
  int32_t near[2][2][BLOCK];
  double w[2][BLOCK];
  for (int k = 0; k < 2; ++k) {
    const double n = (double)(k ? c->height : c->width), scale = c->corners ? (n - 1) / 2 : n / 2;
    const double less = c->corners ? 0 : 0.5, low = c->corners ? 0 : -0.5, span = c->corners ? n - 1 : n;
#pragma omp simd
    for (int64_t i = 0; i < m; ++i) {
      double slope;
      const double v = bounded((double)grid[2 * i + k], scale, less, n, low, span, padding, &slope), first = floor(v);
      near[k][0][i] = whole(first, n), near[k][1][i] = whole(first + 1, n);
      w[k][i] = (first + 1) - v, to->part[k][i] = v - first, to->slope[k][i] = slope;
    }
  }
  const int32_t width = (int32_t)c->width;
  for (int j = 0; j < 4; ++j) {
    const double *RESTRICT across = j % 2 ? to->part[0] : w[0], *RESTRICT down = j / 2 ? to->part[1] : w[1];
    const int32_t *RESTRICT row = near[1][j / 2], *RESTRICT column = near[0][j % 2];
#pragma omp simd
    for (int64_t i = 0; i < m; ++i) {
      to->at[j][i] = row[i] < 0 || column[i] < 0 ? -1 : row[i] * width + column[i];
      to->w[j][i] = (T)(down[i] * across[i]);
    }
  }
}
static void find(const struct call *c, const T *grid, int64_t m, struct corners *to) {
  if (c->padding == ZEROS) find_with(c, grid, m, to, ZEROS);
  else if (c->padding == BORDER) find_with(c, grid, m, to, BORDER);
  else find_with(c, grid, m, to, REFLECTION);
}
INLINE T pixel(const T *x, int32_t at) {
  const T v = x[at < 0 ? 0 : at];
  return at < 0 ? 0 : v;
}

static void forward(void *context, int64_t begin, int64_t end) {
  const struct call *c = context;
  struct corners near;
  const int64_t pixels = c->height * c->width;
  for (int64_t item = begin; item < end; ++item) {
    const int64_t n = item / c->blocks, first = item % c->blocks * BLOCK, m = MIN(BLOCK, c->places - first);
    find(c, c->grid + 2 * (n * c->places + first), m, &near);
    for (int64_t channel = 0; channel < c->channels; ++channel) {
      const T *RESTRICT x = c->x + (n * c->channels + channel) * pixels;
      T *RESTRICT y = c->y + (n * c->channels + channel) * c->places + first;
#pragma omp simd
      for (int64_t i = 0; i < m; ++i)
        y[i] = (pixel(x, near.at[0][i]) * near.w[0][i] + pixel(x, near.at[1][i]) * near.w[1][i]) +
               (pixel(x, near.at[2][i]) * near.w[2][i] + pixel(x, near.at[3][i]) * near.w[3][i]);
    }
  }
}
EXPORT void sample(const T *x, const T *grid, T *y, int64_t batch, int64_t channels, int64_t height, int64_t width, int64_t places, int padding, int corners) {
  struct call c = {.x = x, .grid = grid, .y = y, .channels = channels, .height = height, .width = width, .places = places,
                   .blocks = (places + BLOCK - 1) / BLOCK, .padding = padding, .corners = corners};
  PARALLEL(forward, &c, batch * c.blocks, grain_for(batch * c.blocks, BLOCK * (channels + 8)));
}

/* The image's gradient: what comes to a pixel is added in the order of the places. Item = a sample's group of channels. */
#define GROUP 8
static void image_back(void *context, int64_t begin, int64_t end) {
  const struct call *c = context;
  struct corners near;
  const int64_t pixels = c->height * c->width, groups = (c->channels + GROUP - 1) / GROUP;
  for (int64_t item = begin; item < end; ++item) {
    const int64_t n = item / groups, from = item % groups * GROUP, to = MIN(c->channels, from + GROUP);
    memset(c->y + (n * c->channels + from) * pixels, 0, (size_t)((to - from) * pixels) * sizeof(T));
    for (int64_t first = 0; first < c->places; first += BLOCK) {
      const int64_t m = MIN(BLOCK, c->places - first);
      find(c, c->grid + 2 * (n * c->places + first), m, &near);
      for (int64_t channel = from; channel < to; ++channel) {
        T *RESTRICT y = c->y + (n * c->channels + channel) * pixels;
        const T *RESTRICT g = c->g + (n * c->channels + channel) * c->places + first;
        for (int64_t i = 0; i < m; ++i)
          for (int j = 0; j < 4; ++j)
            if (near.at[j][i] >= 0) y[near.at[j][i]] += g[i] * near.w[j][i];
      }
    }
  }
}
static void places_back(void *context, int64_t begin, int64_t end) {
  const struct call *c = context;
  struct corners near;
  double sum[2][BLOCK];
  const int64_t pixels = c->height * c->width;
  for (int64_t item = begin; item < end; ++item) {
    const int64_t n = item / c->blocks, first = item % c->blocks * BLOCK, m = MIN(BLOCK, c->places - first);
    find(c, c->grid + 2 * (n * c->places + first), m, &near);
    memset(sum, 0, sizeof sum);
    for (int64_t channel = 0; channel < c->channels; ++channel) {
      const T *RESTRICT x = c->x + (n * c->channels + channel) * pixels;
      const T *RESTRICT g = c->g + (n * c->channels + channel) * c->places + first;
#pragma omp simd
      for (int64_t i = 0; i < m; ++i) {
        const double a = (double)pixel(x, near.at[0][i]), b = (double)pixel(x, near.at[1][i]);
        const double d = (double)pixel(x, near.at[2][i]), e = (double)pixel(x, near.at[3][i]);
        const double along = near.part[0][i], down = near.part[1][i];
        sum[0][i] += (double)g[i] * ((b - a) * (1 - down) + (e - d) * down);
        sum[1][i] += (double)g[i] * ((d - a) * (1 - along) + (e - b) * along);
      }
    }
    T *to = c->ggrid + 2 * (n * c->places + first);
    for (int64_t i = 0; i < m; ++i)
      for (int k = 0; k < 2; ++k) to[2 * i + k] = (T)(sum[k][i] * near.slope[k][i]);
  }
}
/* The gradients of the image and of the places; each may be null. */
EXPORT void sample_back(const T *g, const T *x, const T *grid, T *gx, T *ggrid, int64_t batch, int64_t channels, int64_t height, int64_t width, int64_t places, int padding, int corners) {
  struct call c = {.x = x, .grid = grid, .g = g, .y = gx, .ggrid = ggrid, .channels = channels, .height = height, .width = width,
                   .places = places, .blocks = (places + BLOCK - 1) / BLOCK, .padding = padding, .corners = corners};
  if (gx) PARALLEL(image_back, &c, batch * ((channels + GROUP - 1) / GROUP), 1);
  if (ggrid) PARALLEL(places_back, &c, batch * c.blocks, grain_for(batch * c.blocks, BLOCK * (channels + 8)));
}
