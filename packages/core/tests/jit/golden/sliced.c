/* sliced
 * v1 = basic_index(x0)
 * v2 = basic_index(x0)
 * v3 = mul(v1, v2)
 */


