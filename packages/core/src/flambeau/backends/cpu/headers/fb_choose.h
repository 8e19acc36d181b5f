/* Choices between the elements of two vectors, NaN counted as the largest of all, as in pooling. */
#ifndef FB_CHOOSE_H
#define FB_CHOOSE_H
#include "fb.h"
#include "fb_vec.h"

#if defined(__AVX512F__) && defined(T_FLOAT32)
typedef __mmask16 choice;
#define COMPARED(a, b, how) _mm512_cmp_ps_mask((__m512)(a), (__m512)(b), how)
INLINE vec chosen(choice c, vec yes, vec no) { return (vec)_mm512_mask_mov_ps((__m512)no, c, (__m512)yes); }
#elif defined(__AVX512F__) && defined(T_FLOAT64)
typedef __mmask8 choice;
#define COMPARED(a, b, how) _mm512_cmp_pd_mask((__m512d)(a), (__m512d)(b), how)
INLINE vec chosen(choice c, vec yes, vec no) { return (vec)_mm512_mask_mov_pd((__m512d)no, c, (__m512d)yes); }
#else
typedef ivec choice;
INLINE vec chosen(choice c, vec yes, vec no) { return (vec)((c & (ivec)yes) | (~c & (ivec)no)); }
#endif

#if defined(__AVX512F__)
INLINE choice is_nan(vec a) { return COMPARED(a, a, _CMP_UNORD_Q); }
INLINE choice is_equal(vec a, vec b) { return COMPARED(a, b, _CMP_EQ_OQ); }
/* Where b, which stands behind a, is the largest: greater, or the first NaN. */
INLINE choice later_wins(vec a, vec b) { return COMPARED(b, a, _CMP_NLE_UQ) & (choice)~is_nan(a); }
#else
INLINE choice is_nan(vec a) { return (choice)(a != a); }
INLINE choice is_equal(vec a, vec b) { return (choice)(a == b); }
INLINE choice later_wins(vec a, vec b) { return ~(choice)(b <= a) & ~is_nan(a); }
#endif
INLINE vec greater_of(vec a, vec b) { return chosen(is_nan(a), a, larger(a, b)); }
#endif
