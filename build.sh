#!/bin/bash

# Copyright (C) The ngx_shop authors

set -euo pipefail

cd "$(dirname "$0")"

root=$PWD
build=$(realpath -m "${SHOP_BUILD:-build}")
nginx_src=${NGINX_SRC:-/usr/share/nginx/src}


usage() {
    cat <<END
usage: ./build.sh [COMMAND]

    build       the module, for the nginx of this machine (the default)

The results are in build/objs/.

Environment:

    SHOP_BUILD=DIR              a build folder of one's own instead of build/
    NGX_SHOP_ROOMS="base net"   only these rooms (no "modules": only the .so
                                of the unit tests is made)
    NGX_SHOP_UNITS="self"       only these suites of unit tests
    NGX_SHOP_UNIT_MODULES=""    only these modules of unit tests

e.g. to work on a room while others do not compile:

    NGX_SHOP_ROOMS="base net" NGX_SHOP_UNITS="self net" \\
        NGX_SHOP_UNIT_MODULES="fetch" SHOP_BUILD=build/net ./build.sh
    TEST_NGINX_UNIT_MODULE=\$PWD/build/net/objs/ngx_shop_unit_module.so \\
        prove t/unit.t
END
}


say() {
    echo "build.sh: $*" >&2
}


die() {
    say "$@"
    exit 1
}


# Everything that configure looks at: a change of it configures again.

configure_stamp() {
    {
        echo "$@"
        nginx -V 2>&1 || true
        env | grep '^NGX_SHOP_' || true
        ls ngx_module/*/*.[ch]
        cat build.sh config t/unit/config ngx_module/redis/*.{awk,lua}
    } | sha256sum
}


# configure_and_make DIR ARGUMENT...

configure_and_make() {
    local objs=$1 stamp
    shift

    mkdir -p "$objs"

    exec 9>"$objs/lock"
    flock 9

    stamp=$(configure_stamp "$@")

    if [ "$(cat "$objs/stamp" 2>/dev/null)" != "$stamp" ]; then
        rm -f "$objs/stamp"

        (cd "$nginx_src" && ./configure --builddir="$objs" "$@") \
            >"$objs/configure.log" 2>&1 9>&- || {
            tail -n 20 "$objs/configure.log" >&2
            die "configure failed, see $objs/configure.log"
        }

        echo "$stamp" >"$objs/stamp"
    fi

    make ${V:-"-s"} -f "$objs/Makefile" -C "$nginx_src" \
        --no-print-directory -k -j "${JOBS:-2}" modules 9>&-

    exec 9>&-

    say "built" "$objs"/*.so
}


cmd_build() {
    local -a NGX_CONF_FLAGS

    [ -f "$nginx_src/conf_flags" ] || die "nginx-dev is missing: ./build.sh deps"

    . "$nginx_src/conf_flags"

    configure_and_make "$build/objs" \
        --with-cc-opt='-g -O2 -fstack-protector-strong -fPIC -D_FORTIFY_SOURCE=2' \
        --with-ld-opt='-Wl,-z,relro -Wl,-z,now -fPIC' \
        "${NGX_CONF_FLAGS[@]}" \
        --add-dynamic-module="$root" \
        --add-dynamic-module="$root/t/unit"
}


command=${1:-build}
[ $# = 0 ] || shift

case $command in
    build)              cmd_build "$@" ;;
    help|-h|--help)     usage ;;
    *)                  usage >&2; exit 2 ;;
esac
