/* counted
 * v1 = gt(x0, 0.0)
 * v2 = to_dtype(v1)
 * v3 = sum(v2)
 */


