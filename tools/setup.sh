#!/bin/sh
# Installs the packages of packages.txt that are missing: tools/setup.sh [--if-possible] SECTION...
# Needs no network and takes no time when nothing is missing. With --if-possible, packages that cannot be
# installed are named and the rest goes on without them: tools that some tests hand their output to.
set -eu
exec >&2
cd "$(dirname "$0")/.."
failure=1
if [ "${1:-}" = --if-possible ]; then
    failure=0
    shift
fi

# The packages of the named sections, one a line.
wanted=$(awk -v sections=" $* " '
    { sub(/#.*/, "") }
    /^\[/ { gsub(/[][ \t]/, ""); inside = index(sections, " " $0 " "); next }
    inside && NF { print $1 }' packages.txt)

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    echo "setup: this is not a Debian system, so nothing was installed. The $* section of packages.txt lists"
    echo "what is needed; CMake will name the first library that is missing."
    exit 0
fi

installed=$(dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' | awk '$1 == "ii" { print $2 }')
missing=
for package in $wanted; do
    echo "$installed" | grep -qxF "$package" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

echo "setup: installing$missing"
as_root=
if [ "$(id -u)" != 0 ]; then
    as_root=sudo
    if ! command -v sudo >/dev/null; then
        echo "setup: these packages are missing, and only root may install them. As root, run:"
        echo "    apt-get update && apt-get install --no-install-recommends$missing"
        exit $failure
    fi
fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! { $as_root apt-get update -qq &&
       $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing; } >"$log" 2>&1; then
    cat "$log"
    echo "setup: apt-get could not install:$missing"
    echo "Is there a network, and does /etc/apt name a Debian mirror with main of bookworm or later?"
    exit $failure
fi
