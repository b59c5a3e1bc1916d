#!/bin/sh
# Does the list of packages suffice? Makes a bare Debian (debootstrap) under build/, puts a clean clone of the
# committed tree into it, and there runs `make demo`, `make test`, or the targets named as arguments.
# Needs root (or sudo) and a Debian mirror: the one that this machine's apt is set up for. Exits with 77,
# "skipped" to ctest, where it cannot run.
set -eu
cd "$(dirname "$0")/.."
[ $# -gt 0 ] || set -- demo test

if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || { echo "skipped: needs root, to change root"; exit 77; }
    exec sudo --preserve-env=http_proxy,https_proxy "$0" "$@"
fi
command -v debootstrap >/dev/null || { echo "skipped: debootstrap is missing (tools/setup.sh test-all)"; exit 77; }
mirror=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 2>/dev/null |
    awk '$2 == "bookworm" && $3 == "main" { print $1; exit }')
[ -n "$mirror" ] || { echo "skipped: apt here knows no mirror of bookworm (run apt-get update)"; exit 77; }

# In a mount namespace of its own, so that whatever is mounted below goes when the script does.
if [ "${CLEAN_DEBIAN_UNSHARED:-}" != 1 ]; then
    unshare --mount true 2>/dev/null || { echo "skipped: this machine does not allow mounts"; exit 77; }
    exec env CLEAN_DEBIAN_UNSHARED=1 unshare --mount --propagation private "$0" "$@"
fi

root=$PWD/build/clean-debian
mkdir -p build
clean() {
    for mount in dev/pts dev sys proc; do
        if mountpoint -q "$root/$mount"; then umount "$root/$mount"; fi
    done
    rm -rf --one-file-system "$root"
}
trap clean EXIT
trap 'exit 130' INT TERM
clean

echo "== a bare bookworm from $mirror"
debootstrap --variant=minbase bookworm "$root" "$mirror" >"$root.log" 2>&1 || { cat "$root.log"; exit 1; }
mkdir -p "$root/src"
git -c safe.directory="$PWD" -c safe.directory="$PWD/.git" clone -q --no-local --no-hardlinks . "$root/src/windtunnel"
# How this machine reaches its mirrors: proxies, name servers and whom npm trusts, nothing else of its set-up.
apt-config dump | grep -iE '^Acquire::(http|https)::Proxy ' >"$root/etc/apt/apt.conf.d/90proxy" || true
cp /etc/resolv.conf "$root/etc/resolv.conf"
cp /etc/hosts "$root/etc/hosts"
if [ -n "${NODE_EXTRA_CA_CERTS:-}" ]; then cp -L "$NODE_EXTRA_CA_CERTS" "$root/etc/mirror-ca.crt"; fi
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
mount --bind /dev "$root/dev"
mount -t devpts devpts "$root/dev/pts"

inside() { chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
    ${http_proxy:+http_proxy="$http_proxy"} ${https_proxy:+https_proxy="$https_proxy"} \
    ${NODE_EXTRA_CA_CERTS:+NODE_EXTRA_CA_CERTS=/etc/mirror-ca.crt} \
    sh -euc "cd /src/windtunnel; $1"; }

echo "== make, all that the README asks for"
inside "apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends make >/dev/null"
for target; do
    echo "== make $target"
    inside "make $target"
done
case " $* " in *" test "*)
    echo "== make setup again: nothing to install, without a network"
    inside "rm -f /etc/resolv.conf; rm -rf /var/lib/apt/lists; said=\$(make setup 2>&1); [ -z \"\$said\" ] || { echo \"\$said\"; exit 1; }"
    ;;
esac
inside "git status --porcelain 2>/dev/null | grep . && { echo 'the targets left files in the tree'; exit 1; } || true"
echo "== done"
