/* broadcast_gradient
 * fused (4, 6) -> v3, v5
 *     v2 = add(x0, x1)
 *     v3 = sigmoid(v2)
 *     v4 = pow(v3, 2.0)
 *     v5 = sum(v4)
 * v7 = expand(x6)
 * fused (4, 6) -> v13
 *     v8 = pow(v3, 1.0)
 *     v11 = sub(1.0, v3)
 *     v9 = mul(2.0, v8)
 *     v12 = mul(v3, v11)
 *     v10 = mul(v7, v9)
 *     v13 = mul(v10, v12)
 * v14 = sum_to_size(v13)
 */

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
      const float *a1_1 = a1_0;
      float *a2_1 = a2_0 + i0 * s[4];
      float *a3_1 = a3_0;
      int64_t b = 0;
      for (; b + 64 <= n[1]; b += 64) {
        #pragma omp simd
        for (int64_t i = 0; i < 64; ++i) {
          const float v0 = a0_1[(b + i)];
          const float v1 = a1_1[(b + i)];
          const float t0 = (v0 + v1);
          const float t1 = fb_sigmoidf(t0);
          const float t2 = (t1 * t1);
          a2_1[(b + i)] = t1;
          l3[i] = (l3[i] + (double)t2);
        }
      }
      #pragma omp simd
      for (int64_t i = 0; i < n[1] - b; ++i) {
        const float v0 = a0_1[(b + i)];
        const float v1 = a1_1[(b + i)];
        const float t0 = (v0 + v1);
        const float t1 = fb_sigmoidf(t0);
        const float t2 = (t1 * t1);
        a2_1[(b + i)] = t1;
        l3[i] = (l3[i] + (double)t2);
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
  float *a2_0 = a[2];  // y0
#if defined(FB_WIDE)
  if (true) {
    int64_t i = begin;
    const int64_t lead = end - i < 64 ? 0 : -(int64_t)((uintptr_t)(a2_0 + i) / 4) & 15;
    if (lead) {
      const fbw_mask part = (fbw_mask)((1u << lead) - 1);
      const fbw x0 = fbw_load_part(a0_0 + i, part);
      const fbw x1 = fbw_load_part(a1_0 + i, part);
      const fbw w0 = (fbw_all(2.0f) * x0);
      const fbw w1 = (x1 * w0);
      const fbw w2 = (fbw_all(1.0f) - x0);
      const fbw w3 = (x0 * w2);
      const fbw w4 = (w1 * w3);
      fbw_store_part(a2_0 + i, w4, part);
      i += lead;
    }
    if (n[0] >= 8388608 && (uintptr_t)(a2_0 + i) % 64 == 0) {
      for (; i + 16 <= end; i += 16) {
        const fbw x0 = fbw_load(a0_0 + i);
        const fbw x1 = fbw_load(a1_0 + i);
        const fbw w0 = (fbw_all(2.0f) * x0);
        const fbw w1 = (x1 * w0);
        const fbw w2 = (fbw_all(1.0f) - x0);
        const fbw w3 = (x0 * w2);
        const fbw w4 = (w1 * w3);
        fbw_stream(a2_0 + i, w4);
      }
      _mm_sfence();
    }
    for (; i + 16 <= end; i += 16) {
      const fbw x0 = fbw_load(a0_0 + i);
      const fbw x1 = fbw_load(a1_0 + i);
      const fbw w0 = (fbw_all(2.0f) * x0);
      const fbw w1 = (x1 * w0);
      const fbw w2 = (fbw_all(1.0f) - x0);
      const fbw w3 = (x0 * w2);
      const fbw w4 = (w1 * w3);
      fbw_store(a2_0 + i, w4);
    }
    if (i < end) {
      const fbw_mask part = (fbw_mask)((1u << (end - i)) - 1);
      const fbw x0 = fbw_load_part(a0_0 + i, part);
      const fbw x1 = fbw_load_part(a1_0 + i, part);
      const fbw w0 = (fbw_all(2.0f) * x0);
      const fbw w1 = (x1 * w0);
      const fbw w2 = (fbw_all(1.0f) - x0);
      const fbw w3 = (x0 * w2);
      const fbw w4 = (w1 * w3);
      fbw_store_part(a2_0 + i, w4, part);
    }
  } else
#endif
  {
  #pragma omp simd
  for (int64_t i = begin; i < end; ++i) {
    const float v0 = a0_0[i];
    const float v1 = a1_0[i];
    const float t0 = (2.0f * v0);
    const float t1 = (v1 * t0);
    const float t2 = (1.0f - v0);
    const float t3 = (v0 * t2);
    const float t4 = (t1 * t3);
    a2_0[i] = t4;
  }
  }
}
