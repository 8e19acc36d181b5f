/* normalized_gradient
 * v1 = sum(x0)
 * v2 = true_divide(v1, 60.0)
 * fused (4, 60) -> v3, v5
 *     v3 = sub(x0, v2)
 *     v4 = mul(v3, v3)
 *     v5 = sum(v4)
 * fused (4, 1) -> v7
 *     v6 = true_divide(v5, 60.0)
 *     v7 = sqrt(v6)
 * fused (4, 60) -> v8, v10
 *     v8 = true_divide(v3, v7)
 *     v9 = square(v8)
 *     v10 = sum(v9)
 * v12 = expand(x11)
 * v15 = true_divide(1.0, v7)
 * fused (4, 60) -> v16, v20
 *     v13 = mul(2.0, v8)
 *     v17 = true_divide(v3, v7)
 *     v14 = mul(v12, v13)
 *     v18 = neg(v17)
 *     v16 = mul(v14, v15)
 *     v19 = true_divide(v18, v7)
 *     v20 = mul(v14, v19)
 * v21 = sum_to_size(v20)
 * fused (4, 1) -> v24
 *     v22 = true_divide(0.5, v7)
 *     v23 = mul(v21, v22)
 *     v24 = mul(v23, 0.016666666666666666)
 * v25 = expand(v24)
 * fused (4, 60) -> v29, v30
 *     v26 = mul(v25, v3)
 *     v28 = add(v16, v26)
 *     v29 = add(v28, v26)
 *     v30 = mul(v29, -1.0)
 * v31 = sum_to_size(v30)
 * v32 = mul(v31, 0.016666666666666666)
 * v33 = expand(v32)
 * v34 = add(v29, v33)
 */

void kernel(void *const *a, const double *p, const int64_t *n, const int64_t *s, int64_t begin, int64_t end) {
  (void)p, (void)n, (void)s;
  const float *a0_0 = a[0];  // x0
  const float *a1_0 = a[1];  // x1
  float *a2_0 = a[2];  // y0
  float *a3_0 = a[3];  // y1
  for (int64_t i0 = begin; i0 < end; ++i0) {
    const float *a0_1 = a0_0 + i0 * s[0];
    const float *a1_1 = a1_0 + i0 * s[2];
    float *a2_1 = a2_0 + i0 * s[4];
    float *a3_1 = a3_0 + i0 * s[6];
    double l3[64];
    for (int i = 0; i < 64; ++i) l3[i] = 0.0;
    int64_t b = 0;
    for (; b + 64 <= n[1]; b += 64) {
      const float v1 = a1_1[0];
      #pragma omp simd
      for (int64_t i = 0; i < 64; ++i) {
        const float v0 = a0_1[(b + i)];
        const float t0 = (v0 - v1);
        const float t1 = (t0 * t0);
        a2_1[(b + i)] = t0;
        l3[i] = (l3[i] + (double)t1);
      }
    }
    const float v1 = a1_1[0];
    #pragma omp simd
    for (int64_t i = 0; i < n[1] - b; ++i) {
      const float v0 = a0_1[(b + i)];
      const float t0 = (v0 - v1);
      const float t1 = (t0 * t0);
      a2_1[(b + i)] = t0;
      l3[i] = (l3[i] + (double)t1);
    }
    for (int w = 32; w; w >>= 1) for (int i = 0; i < w; ++i) l3[i] = (l3[i] + l3[i + w]);
    const double r3 = l3[0];
    a3_1[0] = (float)(r3);
  }
}

void kernel(void *const *a, const double *p, const int64_t *n, const int64_t *s, int64_t begin, int64_t end) {
  (void)p, (void)n, (void)s;
  const float *a0_0 = a[0];  // x0
  float *a1_0 = a[1];  // y0
#if defined(FB_WIDE)
  if (true) {
    int64_t i = begin;
    const int64_t lead = end - i < 64 ? 0 : -(int64_t)((uintptr_t)(a1_0 + i) / 4) & 15;
    if (lead) {
      const fbw_mask part = (fbw_mask)((1u << lead) - 1);
      const fbw x0 = fbw_load_part(a0_0 + i, part);
      const fbw w0 = (x0 / fbw_all(60.0f));
      const fbw w1 = _mm512_sqrt_ps(w0);
      fbw_store_part(a1_0 + i, w1, part);
      i += lead;
    }
    if (n[0] >= 12582912 && (uintptr_t)(a1_0 + i) % 64 == 0) {
      for (; i + 16 <= end; i += 16) {
        const fbw x0 = fbw_load(a0_0 + i);
        const fbw w0 = (x0 / fbw_all(60.0f));
        const fbw w1 = _mm512_sqrt_ps(w0);
        fbw_stream(a1_0 + i, w1);
      }
      _mm_sfence();
    }
    for (; i + 16 <= end; i += 16) {
      const fbw x0 = fbw_load(a0_0 + i);
      const fbw w0 = (x0 / fbw_all(60.0f));
      const fbw w1 = _mm512_sqrt_ps(w0);
      fbw_store(a1_0 + i, w1);
    }
    if (i < end) {
      const fbw_mask part = (fbw_mask)((1u << (end - i)) - 1);
      const fbw x0 = fbw_load_part(a0_0 + i, part);
      const fbw w0 = (x0 / fbw_all(60.0f));
      const fbw w1 = _mm512_sqrt_ps(w0);
      fbw_store_part(a1_0 + i, w1, part);
    }
  } else
#endif
  {
  #pragma omp simd
  for (int64_t i = begin; i < end; ++i) {
    const float v0 = a0_0[i];
    const float t0 = (v0 / 60.0f);
    const float t1 = sqrtf(t0);
    a1_0[i] = t1;
  }
  }
}

void kernel(void *const *a, const double *p, const int64_t *n, const int64_t *s, int64_t begin, int64_t end) {
  (void)p, (void)n, (void)s;
  const float *a0_0 = a[0];  // x0
  const float *a1_0 = a[1];  // x1
  float *a2_0 = a[2];  // y0
  float *a3_0 = a[3];  // y1
  const int64_t piece = n[2];
  for (int64_t c = begin; c < end; ++c) {
    const int64_t from = c * piece, to = from + piece < n[0] ? from + piece : n[0];
    double l3[64];
    for (int i = 0; i < 64; ++i) l3[i] = 0.0;
    for (int64_t i0 = from; i0 < to; ++i0) {
      const float *a0_1 = a0_0 + i0 * s[0];
      const float *a1_1 = a1_0 + i0 * s[2];
      float *a2_1 = a2_0 + i0 * s[4];
      float *a3_1 = a3_0;
      int64_t b = 0;
      for (; b + 64 <= n[1]; b += 64) {
        const float v1 = a1_1[0];
        #pragma omp simd
        for (int64_t i = 0; i < 64; ++i) {
          const float v0 = a0_1[(b + i)];
          const float t0 = (v0 / v1);
          const float t1 = (t0 * t0);
          a2_1[(b + i)] = t0;
          l3[i] = (l3[i] + (double)t1);
        }
      }
      const float v1 = a1_1[0];
      #pragma omp simd
      for (int64_t i = 0; i < n[1] - b; ++i) {
        const float v0 = a0_1[(b + i)];
        const float t0 = (v0 / v1);
        const float t1 = (t0 * t0);
        a2_1[(b + i)] = t0;
        l3[i] = (l3[i] + (double)t1);
      }
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
  const float *a4_0 = a[4];  // x4
  float *a5_0 = a[5];  // y0
  float *a6_0 = a[6];  // y1
  for (int64_t i0 = begin; i0 < end; ++i0) {
    const float *a0_1 = a0_0 + i0 * s[0];
    const float *a1_1 = a1_0 + i0 * s[2];
    const float *a2_1 = a2_0 + i0 * s[4];
    const float *a3_1 = a3_0 + i0 * s[6];
    const float *a4_1 = a4_0 + i0 * s[8];
    float *a5_1 = a5_0 + i0 * s[10];
    float *a6_1 = a6_0 + i0 * s[12];
#if defined(FB_WIDE)
    if (true) {
      const fbw x2 = fbw_all(a2_1[0]);
      const fbw x4 = fbw_all(a4_1[0]);
      int64_t i = 0;
      const int64_t lead = n[1] - i < 64 ? 0 : -(int64_t)((uintptr_t)(a5_1 + i) / 4) & 15;
      if (lead) {
        const fbw_mask part = (fbw_mask)((1u << lead) - 1);
        const fbw x0 = fbw_load_part(a0_1 + i, part);
        const fbw x1 = fbw_load_part(a1_1 + i, part);
        const fbw x3 = fbw_load_part(a3_1 + i, part);
        const fbw w0 = (fbw_all(2.0f) * x0);
        const fbw w1 = (x3 * w0);
        const fbw w2 = (w1 * x4);
        const fbw w3 = (x1 / x2);
        const fbw w4 = (-w3);
        const fbw w5 = (w4 / x2);
        const fbw w6 = (w1 * w5);
        fbw_store_part(a5_1 + i, w2, part);
        fbw_store_part(a6_1 + i, w6, part);
        i += lead;
      }
      for (; i + 16 <= n[1]; i += 16) {
        const fbw x0 = fbw_load(a0_1 + i);
        const fbw x1 = fbw_load(a1_1 + i);
        const fbw x3 = fbw_load(a3_1 + i);
        const fbw w0 = (fbw_all(2.0f) * x0);
        const fbw w1 = (x3 * w0);
        const fbw w2 = (w1 * x4);
        const fbw w3 = (x1 / x2);
        const fbw w4 = (-w3);
        const fbw w5 = (w4 / x2);
        const fbw w6 = (w1 * w5);
        fbw_store(a5_1 + i, w2);
        fbw_store(a6_1 + i, w6);
      }
      if (i < n[1]) {
        const fbw_mask part = (fbw_mask)((1u << (n[1] - i)) - 1);
        const fbw x0 = fbw_load_part(a0_1 + i, part);
        const fbw x1 = fbw_load_part(a1_1 + i, part);
        const fbw x3 = fbw_load_part(a3_1 + i, part);
        const fbw w0 = (fbw_all(2.0f) * x0);
        const fbw w1 = (x3 * w0);
        const fbw w2 = (w1 * x4);
        const fbw w3 = (x1 / x2);
        const fbw w4 = (-w3);
        const fbw w5 = (w4 / x2);
        const fbw w6 = (w1 * w5);
        fbw_store_part(a5_1 + i, w2, part);
        fbw_store_part(a6_1 + i, w6, part);
      }
    } else
#endif
    {
    const float v2 = a2_1[0];
    const float v4 = a4_1[0];
    #pragma omp simd
    for (int64_t i = 0; i < n[1]; ++i) {
      const float v0 = a0_1[i];
      const float v1 = a1_1[i];
      const float v3 = a3_1[i];
      const float t0 = (2.0f * v0);
      const float t1 = (v3 * t0);
      const float t2 = (t1 * v4);
      const float t3 = (v1 / v2);
      const float t4 = (-t3);
      const float t5 = (t4 / v2);
      const float t6 = (t1 * t5);
      a5_1[i] = t2;
      a6_1[i] = t6;
    }
    }
  }
}

void kernel(void *const *a, const double *p, const int64_t *n, const int64_t *s, int64_t begin, int64_t end) {
  (void)p, (void)n, (void)s;
  const float *a0_0 = a[0];  // x0
  const float *a1_0 = a[1];  // x1
  float *a2_0 = a[2];  // y0
#if defined(FB_WIDE)
  if (true) {
    int64_t i = begin;
    const int64_t lead = end - i < 64 ? 0 : -(int64_t)((uintptr_t)(a2_0 + i) / 4) & 15;
    if (lead) {
      const fbw_mask part = (fbw_mask)((1u << lead) - 1);
      const fbw x0 = fbw_load_part(a0_0 + i, part);
      const fbw x1 = fbw_load_part(a1_0 + i, part);
      const fbw w0 = (fbw_all(0.5f) / x0);
      const fbw w1 = (x1 * w0);
      const fbw w2 = (w1 * fbw_all(0.016666666666666666f));
      fbw_store_part(a2_0 + i, w2, part);
      i += lead;
    }
    if (n[0] >= 8388608 && (uintptr_t)(a2_0 + i) % 64 == 0) {
      for (; i + 16 <= end; i += 16) {
        const fbw x0 = fbw_load(a0_0 + i);
        const fbw x1 = fbw_load(a1_0 + i);
        const fbw w0 = (fbw_all(0.5f) / x0);
        const fbw w1 = (x1 * w0);
        const fbw w2 = (w1 * fbw_all(0.016666666666666666f));
        fbw_stream(a2_0 + i, w2);
      }
      _mm_sfence();
    }
    for (; i + 16 <= end; i += 16) {
      const fbw x0 = fbw_load(a0_0 + i);
      const fbw x1 = fbw_load(a1_0 + i);
      const fbw w0 = (fbw_all(0.5f) / x0);
      const fbw w1 = (x1 * w0);
      const fbw w2 = (w1 * fbw_all(0.016666666666666666f));
      fbw_store(a2_0 + i, w2);
    }
    if (i < end) {
      const fbw_mask part = (fbw_mask)((1u << (end - i)) - 1);
      const fbw x0 = fbw_load_part(a0_0 + i, part);
      const fbw x1 = fbw_load_part(a1_0 + i, part);
      const fbw w0 = (fbw_all(0.5f) / x0);
      const fbw w1 = (x1 * w0);
      const fbw w2 = (w1 * fbw_all(0.016666666666666666f));
      fbw_store_part(a2_0 + i, w2, part);
    }
  } else
#endif
  {
  #pragma omp simd
  for (int64_t i = begin; i < end; ++i) {
    const float v0 = a0_0[i];
    const float v1 = a1_0[i];
    const float t0 = (0.5f / v0);
    const float t1 = (v1 * t0);
    const float t2 = (t1 * 0.016666666666666666f);
    a2_0[i] = t2;
  }
  }
}

void kernel(void *const *a, const double *p, const int64_t *n, const int64_t *s, int64_t begin, int64_t end) {
  (void)p, (void)n, (void)s;
  const float *a0_0 = a[0];  // x0
  const float *a1_0 = a[1];  // x1
  const float *a2_0 = a[2];  // x2
  float *a3_0 = a[3];  // y0
  float *a4_0 = a[4];  // y1
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
      const fbw w1 = (x2 + w0);
      const fbw w2 = (w1 + w0);
      const fbw w3 = (-w2);
      fbw_store_part(a3_0 + i, w2, part);
      fbw_store_part(a4_0 + i, w3, part);
      i += lead;
    }
    for (; i + 16 <= end; i += 16) {
      const fbw x0 = fbw_load(a0_0 + i);
      const fbw x1 = fbw_load(a1_0 + i);
      const fbw x2 = fbw_load(a2_0 + i);
      const fbw w0 = (x0 * x1);
      const fbw w1 = (x2 + w0);
      const fbw w2 = (w1 + w0);
      const fbw w3 = (-w2);
      fbw_store(a3_0 + i, w2);
      fbw_store(a4_0 + i, w3);
    }
    if (i < end) {
      const fbw_mask part = (fbw_mask)((1u << (end - i)) - 1);
      const fbw x0 = fbw_load_part(a0_0 + i, part);
      const fbw x1 = fbw_load_part(a1_0 + i, part);
      const fbw x2 = fbw_load_part(a2_0 + i, part);
      const fbw w0 = (x0 * x1);
      const fbw w1 = (x2 + w0);
      const fbw w2 = (w1 + w0);
      const fbw w3 = (-w2);
      fbw_store_part(a3_0 + i, w2, part);
      fbw_store_part(a4_0 + i, w3, part);
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
    const float t1 = (v2 + t0);
    const float t2 = (t1 + t0);
    const float t3 = (-t2);
    a3_0[i] = t2;
    a4_0[i] = t3;
  }
  }
}
