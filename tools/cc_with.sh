#!/bin/sh
# A compiler with flags that come last: CC="tools/cc_with.sh gcc -march=haswell --" for the checks of `check_kernels.py`.
# What the library asks for is passed on, but for -march=native where another -march is wanted.
compiler=$1
shift
last=
while [ "$1" != -- ]; do
  last="$last $1"
  shift
done
shift
for argument; do
  shift
  case "$argument$last" in
    -march=native*" -march="*) ;;
    *) set -- "$@" "$argument" ;;
  esac
done
# shellcheck disable=SC2086  # flags hold no spaces
exec "$compiler" "$@" $last
