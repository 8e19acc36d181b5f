/* cosine
 * fused (4, 600) -> v3
 *     v2 = mul(x0, x1)
 *     v3 = sum(v2)
 * fused (4, 600) -> v5
 *     v4 = mul(x0, x0)
 *     v5 = sum(v4)
 * fused (4, 600) -> v7
 *     v6 = mul(x1, x1)
 *     v7 = sum(v6)
 * fused (4,) -> v10
 *     v8 = mul(v5, v7)
 *     v9 = sqrt(v8)
 *     v10 = true_divide(v3, v9)
 */

void kernel(void *const *a, const double *p, const int64_t *n, const int64_t *s, int64_t begin, int64_t end) {
  (void)p, (void)n, (void)s;
  const float *a0_0 = a[0];  // x0
  const float *a1_0 = a[1];  // x1
  float *a2_0 = a[2];  // y0
  for (int64_t i0 = begin; i0 < end; ++i0) {
    const float *a0_1 = a0_0 + i0 * s[0];
    const float *a1_1 = a1_0 + i0 * s[2];
    float *a2_1 = a2_0 + i0 * s[4];
    double l2[64];
    for (int i = 0; i < 64; ++i) l2[i] = 0.0;
    int64_t b = 0;
    for (; b + 64 <= n[1]; b += 64) {
      #pragma omp simd
      for (int64_t i = 0; i < 64; ++i) {
        const float v0 = a0_1[(b + i)];
        const float v1 = a1_1[(b + i)];
        const float t0 = (v0 * v1);
        l2[i] = (l2[i] + (double)t0);
      }
    }
    #pragma omp simd
    for (int64_t i = 0; i < n[1] - b; ++i) {
      const float v0 = a0_1[(b + i)];
      const float v1 = a1_1[(b + i)];
      const float t0 = (v0 * v1);
      l2[i] = (l2[i] + (double)t0);
    }
    for (int w = 32; w; w >>= 1) for (int i = 0; i < w; ++i) l2[i] = (l2[i] + l2[i + w]);
    const double r2 = l2[0];
    a2_1[0] = (float)(r2);
  }
}

void kernel(void *const *a, const double *p, const int64_t *n, const int64_t *s, int64_t begin, int64_t end) {
  (void)p, (void)n, (void)s;
  const float *a0_0 = a[0];  // x0
  float *a1_0 = a[1];  // y0
  for (int64_t i0 = begin; i0 < end; ++i0) {
    const float *a0_1 = a0_0 + i0 * s[0];
    float *a1_1 = a1_0 + i0 * s[2];
    double l1[64];
    for (int i = 0; i < 64; ++i) l1[i] = 0.0;
    int64_t b = 0;
    for (; b + 64 <= n[1]; b += 64) {
      #pragma omp simd
      for (int64_t i = 0; i < 64; ++i) {
        const float v0 = a0_1[(b + i)];
        const float t0 = (v0 * v0);
        l1[i] = (l1[i] + (double)t0);
      }
    }
    #pragma omp simd
    for (int64_t i = 0; i < n[1] - b; ++i) {
      const float v0 = a0_1[(b + i)];
      const float t0 = (v0 * v0);
      l1[i] = (l1[i] + (double)t0);
    }
    for (int w = 32; w; w >>= 1) for (int i = 0; i < w; ++i) l1[i] = (l1[i] + l1[i + w]);
    const double r1 = l1[0];
    a1_1[0] = (float)(r1);
  }
}

void kernel(void *const *a, const double *p, const int64_t *n, const int64_t *s, int64_t begin, int64_t end) {
  (void)p, (void)n, (void)s;
  const float *a0_0 = a[0];  // x0
  float *a1_0 = a[1];  // y0
  for (int64_t i0 = begin; i0 < end; ++i0) {
    const float *a0_1 = a0_0 + i0 * s[0];
    float *a1_1 = a1_0 + i0 * s[2];
    double l1[64];
    for (int i = 0; i < 64; ++i) l1[i] = 0.0;
    int64_t b = 0;
    for (; b + 64 <= n[1]; b += 64) {
      #pragma omp simd
      for (int64_t i = 0; i < 64; ++i) {
        const float v0 = a0_1[(b + i)];
        const float t0 = (v0 * v0);
        l1[i] = (l1[i] + (double)t0);
      }
    }
    #pragma omp simd
    for (int64_t i = 0; i < n[1] - b; ++i) {
      const float v0 = a0_1[(b + i)];
      const float t0 = (v0 * v0);
      l1[i] = (l1[i] + (double)t0);
    }
    for (int w = 32; w; w >>= 1) for (int i = 0; i < w; ++i) l1[i] = (l1[i] + l1[i + w]);
    const double r1 = l1[0];
    a1_1[0] = (float)(r1);
  }
}

void kernel(void *const *a, const double *p, const int64_t *n, const int64_t *s, int64_t begin, int64_t end) {
  (void)p, (void)n, (void)s;
  const float *a0_0 = a[0];  // x0
  const float *a1_0 = a[1];  // x1
  const float *a2_0 = a[2];  // x2
  float *a3_0 = a[3];  // y0
#if defined(FB_WIDE)
  if (true) {
    int64_t i = begin;
    const int64_t lead = end - i < 64 ? 0 : -(int64_t)((uintptr_t)(a3_0 + i) / 4) & 15;
    if (lead) {
      const fbw_mask part = (fbw_mask)((1u << lead) - 1);
      const fbw x0 = fbw_load_part(a0_0 + i, part);
      const fbw x1 = fbw_load_part(a1_0 + i, part);
      const fbw x2 = fbw_load_part(a2_0 + i, part);
      const fbw w0 = (x0 * x1);
      const fbw w1 = _mm512_sqrt_ps(w0);
      const fbw w2 = (x2 / w1);
      fbw_store_part(a3_0 + i, w2, part);
      i += lead;
    }
    if (n[0] >= 6291456 && (uintptr_t)(a3_0 + i) % 64 == 0) {
      for (; i + 16 <= end; i += 16) {
        const fbw x0 = fbw_load(a0_0 + i);
        const fbw x1 = fbw_load(a1_0 + i);
        const fbw x2 = fbw_load(a2_0 + i);
        const fbw w0 = (x0 * x1);
        const fbw w1 = _mm512_sqrt_ps(w0);
        const fbw w2 = (x2 / w1);
        fbw_stream(a3_0 + i, w2);
      }
      _mm_sfence();
    }
    for (; i + 16 <= end; i += 16) {
      const fbw x0 = fbw_load(a0_0 + i);
      const fbw x1 = fbw_load(a1_0 + i);
      const fbw x2 = fbw_load(a2_0 + i);
      const fbw w0 = (x0 * x1);
      const fbw w1 = _mm512_sqrt_ps(w0);
      const fbw w2 = (x2 / w1);
      fbw_store(a3_0 + i, w2);
    }
    if (i < end) {
      const fbw_mask part = (fbw_mask)((1u << (end - i)) - 1);
      const fbw x0 = fbw_load_part(a0_0 + i, part);
      const fbw x1 = fbw_load_part(a1_0 + i, part);
      const fbw x2 = fbw_load_part(a2_0 + i, part);
      const fbw w0 = (x0 * x1);
      const fbw w1 = _mm512_sqrt_ps(w0);
      const fbw w2 = (x2 / w1);
      fbw_store_part(a3_0 + i, w2, part);
    }
  } else
#endif
  {
  #pragma omp simd
  for (int64_t i = begin; i < end; ++i) {
    const float v0 = a0_0[i];
    const float v1 = a1_0[i];
    const float v2 = a2_0[i];
    const float t0 = (v0 * v1);
    const float t1 = sqrtf(t0);
    const float t2 = (v2 / t1);
    a3_0[i] = t2;
  }
  }
}
