#!/bin/bash
# Tells an environment that was built below a package's root that it lives at its final path: settle.sh ROOT PATH
set -euo pipefail

root=$1
path=$2
environment=$root/$path

# What only building needed, pip itself last, and the programs that other people's packages bring along.
"$environment/bin/python" -m pip -qq --disable-pip-version-check uninstall --yes setuptools swig pip
find "$environment/bin" -mindepth 1 ! -name 'python*' ! -name onecard -delete
rm -rf "$environment/include" "$environment/share" "$environment/.gitignore"
# Scripts name their interpreter, the environment the command that made it, and pip where it took the project from.
grep -rlIZ --fixed-strings "$environment" "$environment/bin" "$environment/pyvenv.cfg" |
    xargs -0 --no-run-if-empty sed -i "s|$environment|/$path|g"
find "$environment" -name direct_url.json -delete
# Compiled here, once: the terminal's user may not write there, and unchecked hashes do not depend on time stamps.
"$environment/bin/python" -m compileall -q -j 0 -s "$root" --invalidation-mode unchecked-hash "$environment/lib"
if grep -rIl --fixed-strings "$root" "$environment"; then
    echo "these files still name the place where the package was built" >&2
    exit 1
fi
