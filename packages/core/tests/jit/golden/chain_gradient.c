/* chain_gradient
 * fused (4, 6) -> v3, v4
 *     v2 = mul(x0, x1)
 *     v3 = tanh(v2)
 *     v4 = sum(v3)
 * v6 = expand(x5)
 * fused (4, 6) -> v10, v11
 *     v7 = mul(v3, v3)
 *     v8 = sub(1.0, v7)
 *     v9 = mul(v6, v8)
 *     v10 = mul(v9, x1)
 *     v11 = mul(v9, x0)
 */

void kernel(void *const *a, const double *p, const int64_t *n, const int64_t *s, int64_t begin, int64_t end) {
  (void)p, (void)n, (void)s;
  const float *a0_0 = a[0];  // x0
  const float *a1_0 = a[1];  // x1
  float *a2_0 = a[2];  // y0
  float *a3_0 = a[3];  // y1
  const int64_t piece = n[1];
  for (int64_t c = begin; c < end; ++c) {
    const int64_t from = c * piece, to = from + piece < n[0] ? from + piece : n[0];
    double l3[64];
    for (int i = 0; i < 64; ++i) l3[i] = 0.0;
    int64_t b = from;
    for (; b + 64 <= to; b += 64) {
      #pragma omp simd
      for (int64_t i = 0; i < 64; ++i) {
        const float v0 = a0_0[(b + i)];
        const float v1 = a1_0[(b + i)];
        const float t0 = (v0 * v1);
        const float t1 = fb_tanhf(t0);
        a2_0[(b + i)] = t1;
        l3[i] = (l3[i] + (double)t1);
      }
    }
    #pragma omp simd
    for (int64_t i = 0; i < to - b; ++i) {
      const float v0 = a0_0[(b + i)];
      const float v1 = a1_0[(b + i)];
      const float t0 = (v0 * v1);
      const float t1 = fb_tanhf(t0);
      a2_0[(b + i)] = t1;
      l3[i] = (l3[i] + (double)t1);
    }
    for (int w = 32; w; w >>= 1) for (int i = 0; i < w; ++i) l3[i] = (l3[i] + l3[i + w]);
    const double r3 = l3[0];
    ((double *)a[4])[c] = r3;
  }
}

void kernel_finish(void *const *a, const double *p, const int64_t *n, const int64_t *s, int64_t begin, int64_t end) {
  (void)p, (void)s, (void)n;
  double r3 = 0.0;
  for (int64_t c = begin; c < end; ++c) r3 = (r3 + ((const double *)a[4])[c]);
  ((float *)a[3])[0] = (float)(r3);
}
void kernel(void *const *a, const double *p, const int64_t *n, const int64_t *s, int64_t begin, int64_t end) {
  (void)p, (void)n, (void)s;
  const float *a0_0 = a[0];  // x0
  const float *a1_0 = a[1];  // x1
  const float *a2_0 = a[2];  // x2
  const float *a3_0 = a[3];  // x3
  float *a4_0 = a[4];  // y0
  float *a5_0 = a[5];  // y1
#if defined(FB_WIDE)
  if (true) {
    int64_t i = begin;
    const int64_t lead = end - i < 64 ? 0 : -(int64_t)((uintptr_t)(a4_0 + i) / 4) & 15;
    if (lead) {
      const fbw_mask part = (fbw_mask)((1u << lead) - 1);
      const fbw x0 = fbw_load_part(a0_0 + i, part);
      const fbw x1 = fbw_load_part(a1_0 + i, part);
      const fbw x2 = fbw_load_part(a2_0 + i, part);
      const fbw x3 = fbw_load_part(a3_0 + i, part);
      const fbw w0 = (x0 * x0);
      const fbw w1 = (fbw_all(1.0f) - w0);
      const fbw w2 = (x1 * w1);
      const fbw w3 = (w2 * x2);
      const fbw w4 = (w2 * x3);
      fbw_store_part(a4_0 + i, w3, part);
      fbw_store_part(a5_0 + i, w4, part);
      i += lead;
    }
    for (; i + 16 <= end; i += 16) {
      const fbw x0 = fbw_load(a0_0 + i);
      const fbw x1 = fbw_load(a1_0 + i);
      const fbw x2 = fbw_load(a2_0 + i);
      const fbw x3 = fbw_load(a3_0 + i);
      const fbw w0 = (x0 * x0);
      const fbw w1 = (fbw_all(1.0f) - w0);
      const fbw w2 = (x1 * w1);
      const fbw w3 = (w2 * x2);
      const fbw w4 = (w2 * x3);
      fbw_store(a4_0 + i, w3);
      fbw_store(a5_0 + i, w4);
    }
    if (i < end) {
      const fbw_mask part = (fbw_mask)((1u << (end - i)) - 1);
      const fbw x0 = fbw_load_part(a0_0 + i, part);
      const fbw x1 = fbw_load_part(a1_0 + i, part);
      const fbw x2 = fbw_load_part(a2_0 + i, part);
      const fbw x3 = fbw_load_part(a3_0 + i, part);
      const fbw w0 = (x0 * x0);
      const fbw w1 = (fbw_all(1.0f) - w0);
      const fbw w2 = (x1 * w1);
      const fbw w3 = (w2 * x2);
      const fbw w4 = (w2 * x3);
      fbw_store_part(a4_0 + i, w3, part);
      fbw_store_part(a5_0 + i, w4, part);
    }
  } else
#endif
  {
  #pragma omp simd
  for (int64_t i = begin; i < end; ++i) {
    const float v0 = a0_0[i];
    const float v1 = a1_0[i];
    const float v2 = a2_0[i];
    const float v3 = a3_0[i];
    const float t0 = (v0 * v0);
    const float t1 = (1.0f - t0);
    const float t2 = (v1 * t1);
    const float t3 = (t2 * v2);
    const float t4 = (t2 * v3);
    a4_0[i] = t3;
    a5_0[i] = t4;
  }
  }
}
