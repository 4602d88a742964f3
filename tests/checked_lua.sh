#!/bin/sh
# The tests of Lua programs with a Lua that checks itself: its own assertions, its checks of how lupa
# uses its API (such as room on the stack), and gcc's address sanitizer. Lua and lupa are built for it
# from their source, once. Needs gcc. Arguments are those of pytest.
set -e
cd "$(dirname "$0")/.."
bin=$PWD/.venv/bin
made=$PWD/.checked
version=$("$bin/python" -c 'import lupa; print(lupa.__version__)')
if [ ! -f "$made/site-$version/.ready" ]; then
    rm -rf "$made"
    mkdir -p "$made"
    "$bin/python" -m pip download --quiet --no-binary :all: --no-deps --dest "$made" "lupa==$version"
    tar -xf "$made/lupa-$version.tar.gz" -C "$made"
    cd "$made/lupa-$version"
    for other in third-party/*; do # only the version that is used
        [ "$other" = third-party/lua54 ] || rm -rf "$other"
    done
    LUPA_WITH_LUA_CHECKS=true LUPA_USE_BUNDLE=true \
        CFLAGS="-O1 -g -UNDEBUG -DLUAI_ASSERT -fsanitize=address -fno-omit-frame-pointer" \
        LDFLAGS="-fsanitize=address" \
        "$bin/python" -m pip install --quiet --no-deps --no-cache-dir --target "$made/site-$version" .
    cd ../..
    touch "$made/site-$version/.ready"
fi
[ $# -gt 0 ] || set -- tests/guests/lua
# Python does not free everything at its end, so leaks are not looked for.
export ASAN_OPTIONS=detect_leaks=0:abort_on_error=1:allocator_may_return_null=1
export LD_PRELOAD="$(gcc -print-file-name=libasan.so)" PYTHONMALLOC=malloc PYTHONPATH="$made/site-$version"
# Without capturing: an assertion of Lua ends the process, and would take its message along.
exec "$bin/python" -m pytest -q -s --timeout 600 "$@"
