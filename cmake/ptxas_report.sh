#!/bin/sh
# Compiles with nvcc and keeps what ptxas says of each kernel's registers, stack and spills in a file
# beside the object (NAME.ptxas), out of the build's output. Everything else nvcc says is passed on.
object=/dev/null
previous=
for argument; do
    [ "$previous" = -o ] && object=$argument
    previous=$argument
done
said=$(mktemp)
"$@" 2>"$said"
status=$?
ptxas='^ptxas info|bytes stack frame,|^$'
[ "$object" = /dev/null ] ||
    grep -E 'Compiling entry function|bytes stack frame,|Used [0-9]+ registers' "$said" >"$object.ptxas"
grep -Ev "$ptxas" "$said" >&2
rm -f "$said"
exit $status
