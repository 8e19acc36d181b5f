/* choice_gradient
 * fused (4, 6) -> v2, v4, v6
 *     v2 = gt(x0, 0.0)
 *     v3 = mul(x0, x1)
 *     v4 = exp(x1)
 *     v5 = where(v2, v3, v4)
 *     v6 = sum(v5)
 * v8 = expand(x7)
 * fused (4, 6) -> v18, v20
 *     v15 = where(v2, 0.0, 1.0)
 *     v11 = where(v2, 1.0, 0.0)
 *     v16 = mul(v8, v15)
 *     v12 = mul(v8, v11)
 *     v17 = mul(v16, v4)
 *     v18 = mul(v12, x1)
 *     v19 = mul(v12, x0)
 *     v20 = add(v17, v19)
 */

void kernel(void *const *a, const double *p, const int64_t *n, const int64_t *s, int64_t begin, int64_t end) {
  (void)p, (void)n, (void)s;
  const float *a0_0 = a[0];  // x0
  const float *a1_0 = a[1];  // x1
  bool *a2_0 = a[2];  // y0
  float *a3_0 = a[3];  // y1
  float *a4_0 = a[4];  // y2
  const int64_t piece = n[1];
  for (int64_t c = begin; c < end; ++c) {
    const int64_t from = c * piece, to = from + piece < n[0] ? from + piece : n[0];
    double l4[64];
    for (int i = 0; i < 64; ++i) l4[i] = 0.0;
    int64_t b = from;
    for (; b + 64 <= to; b += 64) {
      #pragma omp simd
      for (int64_t i = 0; i < 64; ++i) {
        const float v0 = a0_0[(b + i)];
        const float v1 = a1_0[(b + i)];
        const bool t0 = (v0 > 0.0f);
        const float t1 = fb_expf(v1);
        const float t2 = (v0 * v1);
        const float t3 = (t0 ? t2 : t1);
        a2_0[(b + i)] = t0;
        a3_0[(b + i)] = t1;
        l4[i] = (l4[i] + (double)t3);
      }
    }
    #pragma omp simd
    for (int64_t i = 0; i < to - b; ++i) {
      const float v0 = a0_0[(b + i)];
      const float v1 = a1_0[(b + i)];
      const bool t0 = (v0 > 0.0f);
      const float t1 = fb_expf(v1);
      const float t2 = (v0 * v1);
      const float t3 = (t0 ? t2 : t1);
      a2_0[(b + i)] = t0;
      a3_0[(b + i)] = t1;
      l4[i] = (l4[i] + (double)t3);
    }
    for (int w = 32; w; w >>= 1) for (int i = 0; i < w; ++i) l4[i] = (l4[i] + l4[i + w]);
    const double r4 = l4[0];
    ((double *)a[5])[c] = r4;
  }
}

void kernel_finish(void *const *a, const double *p, const int64_t *n, const int64_t *s, int64_t begin, int64_t end) {
  (void)p, (void)s, (void)n;
  double r4 = 0.0;
  for (int64_t c = begin; c < end; ++c) r4 = (r4 + ((const double *)a[5])[c]);
  ((float *)a[4])[0] = (float)(r4);
}
void kernel(void *const *a, const double *p, const int64_t *n, const int64_t *s, int64_t begin, int64_t end) {
  (void)p, (void)n, (void)s;
  const uint8_t *a0_0 = a[0];  // x0
  const float *a1_0 = a[1];  // x1
  const float *a2_0 = a[2];  // x2
  const float *a3_0 = a[3];  // x3
  const float *a4_0 = a[4];  // x4
  float *a5_0 = a[5];  // y0
  float *a6_0 = a[6];  // y1
  #pragma omp simd
  for (int64_t i = begin; i < end; ++i) {
    const bool v0 = a0_0[i];
    const float v1 = a1_0[i];
    const float v2 = a2_0[i];
    const float v3 = a3_0[i];
    const float v4 = a4_0[i];
    const float t0 = (v0 ? 1.0f : 0.0f);
    const float t1 = (v1 * t0);
    const float t2 = (t1 * v3);
    const float t3 = (v0 ? 0.0f : 1.0f);
    const float t4 = (v1 * t3);
    const float t5 = (t4 * v2);
    const float t6 = (t1 * v4);
    const float t7 = (t5 + t6);
    a5_0[i] = t2;
    a6_0[i] = t7;
  }
}
