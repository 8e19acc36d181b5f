void count_integers(void *const *a, const double *p, const int64_t *n, const int64_t *s, int64_t begin, int64_t end) {
  (void)p, (void)n, (void)s;
  const int64_t *a0_0 = a[0];  // n
  int64_t *a1_0 = a[1];  // out
  const int64_t piece = n[1];
  for (int64_t c = begin; c < end; ++c) {
    const int64_t from = c * piece, to = from + piece < n[0] ? from + piece : n[0];
    int64_t l1[64];
    for (int i = 0; i < 64; ++i) l1[i] = 0;
    int64_t b = from;
    for (; b + 64 <= to; b += 64) {
      #pragma omp simd
      for (int64_t i = 0; i < 64; ++i) {
        const int64_t v0 = a0_0[(b + i)];
        const int64_t t0 = fb_remainderl(v0, 3);
        const bool t1 = (v0 == 0);
        const int64_t t2 = (int64_t)t1;
        const int64_t t3 = (t0 + t2);
        l1[i] = (l1[i] + t3);
      }
    }
    #pragma omp simd
    for (int64_t i = 0; i < to - b; ++i) {
      const int64_t v0 = a0_0[(b + i)];
      const int64_t t0 = fb_remainderl(v0, 3);
      const bool t1 = (v0 == 0);
      const int64_t t2 = (int64_t)t1;
      const int64_t t3 = (t0 + t2);
      l1[i] = (l1[i] + t3);
    }
    for (int w = 32; w; w >>= 1) for (int i = 0; i < w; ++i) l1[i] = (l1[i] + l1[i + w]);
    const int64_t r1 = l1[0];
    ((int64_t *)a[2])[c] = r1;
  }
}

void count_integers_finish(void *const *a, const double *p, const int64_t *n, const int64_t *s, int64_t begin, int64_t end) {
  (void)p, (void)s, (void)n;
  int64_t r1 = 0;
  for (int64_t c = begin; c < end; ++c) r1 = (r1 + ((const int64_t *)a[2])[c]);
  ((int64_t *)a[1])[0] = (int64_t)(r1);
}
