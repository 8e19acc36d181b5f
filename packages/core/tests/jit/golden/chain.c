/* chain
 * fused (4, 6) -> v6
 *     v2 = mul(x0, x1)
 *     v5 = true_divide(x0, 3.0)
 *     v3 = add(v2, 1.0)
 *     v4 = tanh(v3)
 *     v6 = sub(v4, v5)
 */

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
      const fbw w0 = (x0 * x1);
      const fbw w1 = (w0 + fbw_all(1.0f));
      const fbw w2 = fbw_tanh(w1);
      const fbw w3 = (x0 / fbw_all(3.0f));
      const fbw w4 = (w2 - w3);
      fbw_store_part(a2_0 + i, w4, part);
      i += lead;
    }
    if (n[0] >= 8388608 && (uintptr_t)(a2_0 + i) % 64 == 0) {
      for (; i + 16 <= end; i += 16) {
        const fbw x0 = fbw_load(a0_0 + i);
        const fbw x1 = fbw_load(a1_0 + i);
        const fbw w0 = (x0 * x1);
        const fbw w1 = (w0 + fbw_all(1.0f));
        const fbw w2 = fbw_tanh(w1);
        const fbw w3 = (x0 / fbw_all(3.0f));
        const fbw w4 = (w2 - w3);
        fbw_stream(a2_0 + i, w4);
      }
      _mm_sfence();
    }
    for (; i + 16 <= end; i += 16) {
      const fbw x0 = fbw_load(a0_0 + i);
      const fbw x1 = fbw_load(a1_0 + i);
      const fbw w0 = (x0 * x1);
      const fbw w1 = (w0 + fbw_all(1.0f));
      const fbw w2 = fbw_tanh(w1);
      const fbw w3 = (x0 / fbw_all(3.0f));
      const fbw w4 = (w2 - w3);
      fbw_store(a2_0 + i, w4);
    }
    if (i < end) {
      const fbw_mask part = (fbw_mask)((1u << (end - i)) - 1);
      const fbw x0 = fbw_load_part(a0_0 + i, part);
      const fbw x1 = fbw_load_part(a1_0 + i, part);
      const fbw w0 = (x0 * x1);
      const fbw w1 = (w0 + fbw_all(1.0f));
      const fbw w2 = fbw_tanh(w1);
      const fbw w3 = (x0 / fbw_all(3.0f));
      const fbw w4 = (w2 - w3);
      fbw_store_part(a2_0 + i, w4, part);
    }
  } else
#endif
  {
  #pragma omp simd
  for (int64_t i = begin; i < end; ++i) {
    const float v0 = a0_0[i];
    const float v1 = a1_0[i];
    const float t0 = (v0 * v1);
    const float t1 = (t0 + 1.0f);
    const float t2 = fb_tanhf(t1);
    const float t3 = (v0 / 3.0f);
    const float t4 = (t2 - t3);
    a2_0[i] = t4;
  }
  }
}
