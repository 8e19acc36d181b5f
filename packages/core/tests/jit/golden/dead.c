/* dead
 * v3 = add(x0, 1.0)
 */


