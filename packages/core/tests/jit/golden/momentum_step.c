/* momentum_step
 * fused (5,) -> v4, v6
 *     v3 = mul(x2, 0.9)
 *     v4 = add(v3, x1)
 *     v5 = mul(0.01, v4)
 *     v6 = sub(x0, v5)
 */

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
      const fbw w0 = (x0 * fbw_all(0.9f));
      const fbw w1 = (w0 + x1);
      const fbw w2 = (fbw_all(0.01f) * w1);
      const fbw w3 = (x2 - w2);
      fbw_store_part(a3_0 + i, w1, part);
      fbw_store_part(a4_0 + i, w3, part);
      i += lead;
    }
    for (; i + 16 <= end; i += 16) {
      const fbw x0 = fbw_load(a0_0 + i);
      const fbw x1 = fbw_load(a1_0 + i);
      const fbw x2 = fbw_load(a2_0 + i);
      const fbw w0 = (x0 * fbw_all(0.9f));
      const fbw w1 = (w0 + x1);
      const fbw w2 = (fbw_all(0.01f) * w1);
      const fbw w3 = (x2 - w2);
      fbw_store(a3_0 + i, w1);
      fbw_store(a4_0 + i, w3);
    }
    if (i < end) {
      const fbw_mask part = (fbw_mask)((1u << (end - i)) - 1);
      const fbw x0 = fbw_load_part(a0_0 + i, part);
      const fbw x1 = fbw_load_part(a1_0 + i, part);
      const fbw x2 = fbw_load_part(a2_0 + i, part);
      const fbw w0 = (x0 * fbw_all(0.9f));
      const fbw w1 = (w0 + x1);
      const fbw w2 = (fbw_all(0.01f) * w1);
      const fbw w3 = (x2 - w2);
      fbw_store_part(a3_0 + i, w1, part);
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
    const float t0 = (v0 * 0.9f);
    const float t1 = (t0 + v1);
    const float t2 = (0.01f * t1);
    const float t3 = (v2 - t2);
    a3_0[i] = t1;
    a4_0[i] = t3;
  }
  }
}
