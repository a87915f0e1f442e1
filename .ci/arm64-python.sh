#!/usr/bin/env bash
# Lay out an arm64 Python of Debian, with NumPy and the extra test-native, to run under qemu:
#
#   .ci/arm64-python.sh FOLDER [PIP]
#   FOLDER/usr/bin/python -m pytest ...
#
# FOLDER/usr/bin/python is a script that starts the arm64 interpreter by qemu-aarch64. sys.executable names
# this script, so a test can start further interpreters. The headers are in FOLDER/usr/include. PIP is the
# command that downloads the wheels; the default is `python3 -m pip`.
#
# apt gets lists, a cache and a table of installed packages of its own here, so nothing of the host's apt
# changes, and no root rights are needed. A FOLDER that this script made for the same packages is kept.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "$(dirname "$1")"
folder=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
pip=${2:-python3 -m pip}

fail() { echo "no arm64 Python: $*" >&2; exit 1; }

# The wheels: NumPy, and the extra for the tests of the kernels, with the setuptools that builds them
mapfile -t wheels < <(python3 - "$here/setup.cfg" <<'PYTHON'
import configparser, sys
config = configparser.ConfigParser()
config.read(sys.argv[1])
print("numpy", *config["options.extras_require"]["test-native"].split(), sep="\n")
PYTHON
)
stamp=$({ echo "${wheels[@]}"; cat "$0" "$here/constraints.txt"; } | cksum)
if [ "$(cat "$folder/.stamp" 2> /dev/null)" = "$stamp" ]; then
  exit 0
fi

for program in qemu-aarch64 apt-get dpkg-deb; do
  command -v $program > /dev/null || fail "there is no $program"
done

# Everything goes to a new folder, which is renamed at the end: an interrupted run leaves no half of one.
work=$(mktemp -d "$folder.XXXXXX")
trap 'rm -rf "$work"' EXIT
root=$work/root
mkdir -p "$root"/usr/{bin,lib,sbin} "$work"/apt/{state/lists,cache/archives}/partial
touch "$work/apt/state/status"
ln -s usr/bin usr/lib usr/sbin "$root"  # Debian's own layout: /lib is /usr/lib

apt() {
  apt-get -qq -o APT::Architecture=arm64 -o APT::Architectures::=arm64 \
    -o Dir::State="$work/apt/state" -o Dir::State::status="$work/apt/state/status" \
    -o Dir::Cache="$work/apt/cache" -o Dir::Etc::preferencesparts=/dev/null \
    -o APT::Sandbox::User="$(id -un)" -o APT::Install-Recommends=false \
    -o APT::Keep-Downloaded-Packages=true "$@"
}
apt update || fail "apt has no list of packages for arm64"
apt --yes --download-only install python3-minimal libpython3-stdlib libpython3-dev libstdc++6 > /dev/null \
  || fail "apt has no Python for arm64"
for package in "$work"/apt/cache/archives/*.deb; do
  dpkg-deb --extract "$package" "$root"
done
[ -x "$root/usr/bin/python3" ] || fail "Debian's packages have no usr/bin/python3"

cat > "$root/usr/bin/python" <<'SCRIPT'
#!/bin/sh
# Start the arm64 interpreter. Its sys.executable is this script, so what it starts runs under qemu too.
bin=$(dirname "$(realpath "$0")")
exec qemu-aarch64 -L "${bin%/usr/bin}" -0 "$bin/python" "$bin/python3" "$@"
SCRIPT
chmod +x "$root/usr/bin/python"

version=$("$root/usr/bin/python" -c 'import sys; print("%d.%d" % sys.version_info[:2])') \
  || fail "it doesn't start"
platforms=(any manylinux2014_aarch64)
for minor in $(seq 17 36); do  # the glibc of Debian 12 is 2.36
  platforms+=("manylinux_2_${minor}_aarch64")
done
# shellcheck disable=SC2086  # PIP is a command with arguments
$pip install -qq --disable-pip-version-check --no-warn-conflicts --no-compile -c "$here/constraints.txt" \
  --target "$root/usr/local/lib/python$version/dist-packages" \
  --python-version "$version" --implementation cp "${platforms[@]/#/--platform=}" \
  --only-binary=:all: "${wheels[@]}" || fail "pip has no such wheels"
"$root/usr/bin/python" -c 'import numpy as np; assert np.arange(5.0).sum() == 10' || fail "NumPy doesn't run"

# Debian's Python names its headers by absolute paths, where the host's own headers are. A part of them
# is in a folder beside, which is linked, so that one -I finds all of them but no header of the C library.
ln -s ../aarch64-linux-gnu "$root/usr/include/python$version"
sed -i "s#INCLUDEPY': '/usr#INCLUDEPY': '$folder/usr#" "$root/usr/lib/python$version"/_sysconfigdata_*.py

rm -r "$root"/usr/share
echo "$stamp" > "$root/.stamp"
rm -rf "$folder"
mv "$root" "$folder"
