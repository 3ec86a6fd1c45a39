#!/bin/bash
# Builds the Debian package of the commit or tree that lies here, for this machine's architecture, into build/deb/.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '%s\n' "$@" >&2; }

place=$PWD/build/deb
tree=$place/onecard-terminal
rm -rf "$place"
mkdir -p "$tree"
# What git knows of, as it lies here: an unfinished change can be tried, and no cache comes along.
git ls-files -z --cached --others --exclude-standard | tar --null --files-from=- --create | tar --extract --directory "$tree"
mv "$tree/packaging/debian" "$tree/debian"

version=$(sed -n 's/^version = //p' setup.cfg)
moment=$(git log -1 --format=%ct)
SOURCE_DATE_EPOCH=$moment
export SOURCE_DATE_EPOCH
cat >"$tree/debian/changelog" <<END
onecard-terminal ($version${ONECARD_DEB_SUFFIX:-}) stable; urgency=medium

  * See CHANGELOG.md.

 -- The onecard-terminal founders <founders@onecard.invalid>  $(date --utc --rfc-email --date="@$moment")
END

say "deb: building onecard-terminal $version (its environment holds about 400 MB)"
cd "$tree"
dpkg-buildpackage --build=binary --no-sign --unsigned-changes >"$place/build.log" 2>&1 || {
    tail -30 "$place/build.log" >&2
    say "deb: 构建失败，完整日志在 build/deb/build.log" "deb: the build failed; the whole log is build/deb/build.log"
    exit 1
}
rm -rf "$tree"
say "deb: $(cd "$place" && ls ./*.deb)"
