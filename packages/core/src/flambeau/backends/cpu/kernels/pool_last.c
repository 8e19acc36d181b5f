/* types: float double */
/* The gradient of the largest values of windows where channels lie last. A task has a vector of channels of an image. */
#include "fb_choose.h"

/* The numbers of `packed.Last`. */
struct sizes {
  int64_t images, height, width, channels, out_height, out_width, out_channels, groups;
  int64_t kernel[2], stride[2], dilation[2], before[2], room[2];
};
struct spreading {
  struct sizes s;
  const T *g, *x, *best;
  T *dx;
};

/* Each gradient goes to the first of its window's elements that is the best; where that is NaN, to the first NaN. */
static void spread(void *context, int64_t begin, int64_t end) {
  const struct spreading *c = context;
  const struct sizes *s = &c->s;
  const int64_t C = s->channels, blocks = (C + WIDTH - 1) / WIDTH;
  for (int64_t at = begin; at < end; ++at) {
    const int64_t image = at / blocks, first = at % blocks * WIDTH, lanes = MIN(WIDTH, C - first);
    const T *x = c->x + image * s->height * s->width * C + first;
    T *dx = c->dx + image * s->height * s->width * C + first;
    for (int64_t i = 0; i < s->height * s->width; ++i) store_head(dx + i * C, (vec){0}, lanes);
    int64_t out = image * s->out_height * s->out_width * C + first;
    for (int64_t h = 0; h < s->out_height; ++h)
      for (int64_t w = 0; w < s->out_width; ++w, out += C) {
        const vec best = load_head(c->best + out, lanes, 0), g = load_head(c->g + out, lanes, 0);
        choice open = (choice)~(choice){0}; /* gradients that have found no place */
        for (int64_t i = 0; i < s->kernel[0]; ++i) {
          const int64_t y = h * s->stride[0] + i * s->dilation[0] - s->before[0];
          if (y < 0 || y >= s->height) continue;
          for (int64_t j = 0; j < s->kernel[1]; ++j) {
            const int64_t z = w * s->stride[1] + j * s->dilation[1] - s->before[1], place = (y * s->width + z) * C;
            if (z < 0 || z >= s->width) continue;
            const vec v = load_head(x + place, lanes, 0);
            const choice hit = open & (is_equal(v, best) | (is_nan(v) & is_nan(best)));
            store_head(dx + place, load_head(dx + place, lanes, 0) + chosen(hit, g, (vec){0}), lanes);
            open &= (choice)~hit;
          }
        }
      }
  }
}

EXPORT void largest_back(const T *g, const T *x, const T *best, T *dx, const int64_t *n) {
  struct spreading c = {.g = g, .x = x, .best = best, .dx = dx};
  memcpy(&c.s, n, sizeof(c.s));
  const int64_t tasks = c.s.images * ((c.s.channels + WIDTH - 1) / WIDTH);
  PARALLEL(spread, &c, tasks, grain_for(tasks, c.s.height * c.s.width * WIDTH));
}
