/* A tile of N x N elements of registers is turned by log2 N exchanges: blocks of d x d elements off the diagonal change places.
 * FB_TURNS says whether compilers can; EXCHANGES<N> turns r[N] of type `row`.
 */
#ifndef FB_TILE_H
#define FB_TILE_H
#ifndef __has_builtin
#define __has_builtin(x) 0
#endif
#if __has_builtin(__builtin_shufflevector)
#define FB_TURNS 1
#define LOW(N, d, i) ((i) & (d) ? (N) + (i) - (d) : (i))
#define HIGH(N, d, i) ((i) & (d) ? (N) + (i) : (i) + (d))
#define LIST2(N, d, F) F(N, d, 0), F(N, d, 1)
#define LIST4(N, d, F) LIST2(N, d, F), F(N, d, 2), F(N, d, 3)
#define LIST8(N, d, F) LIST4(N, d, F), F(N, d, 4), F(N, d, 5), F(N, d, 6), F(N, d, 7)
#define LIST16(N, d, F)                                                                                                 \
  LIST8(N, d, F), F(N, d, 8), F(N, d, 9), F(N, d, 10), F(N, d, 11), F(N, d, 12), F(N, d, 13), F(N, d, 14), F(N, d, 15)
#define EXCHANGE(N, d)                                                                                                  \
  _Pragma("GCC unroll 16") for (int i = 0; i < N; ++i) if (!(i & d)) {                                                  \
    const row a = r[i], b = r[i + d];                                                                                   \
    r[i] = __builtin_shufflevector(a, b, LIST##N(N, d, LOW));                                                           \
    r[i + d] = __builtin_shufflevector(a, b, LIST##N(N, d, HIGH));                                                      \
  }
#define EXCHANGES2 EXCHANGE(2, 1)
#define EXCHANGES4 EXCHANGE(4, 2) EXCHANGE(4, 1)
#define EXCHANGES8 EXCHANGE(8, 4) EXCHANGE(8, 2) EXCHANGE(8, 1)
#define EXCHANGES16 EXCHANGE(16, 8) EXCHANGE(16, 4) EXCHANGE(16, 2) EXCHANGE(16, 1)
#endif
#endif
