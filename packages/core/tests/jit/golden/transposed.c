/* transposed
 * v2 = permute(x0)
 * v3 = add(v2, x1)
 */


