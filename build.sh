#!/bin/bash

# Copyright (C) The ngx_shop authors

# The one entry to building, testing and trying ngx_shop.  Everything it
# makes is below build/ and t/node_modules; only "deps" and "install" touch
# the machine.

set -euo pipefail

caller=$PWD

cd "$(dirname "$0")"

root=$PWD
build=$(realpath -m "${SHOP_BUILD:-build}")
nginx_src=${NGINX_SRC:-/usr/share/nginx/src}

PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin


usage() {
    cat <<'END'
usage: ./build.sh [COMMAND [ARGUMENT...]]

    build               the module for the nginx of this machine, to
                        build/objs/ (the default)
    demo                a shop to sign in to on 127.0.0.1:8080, until Ctrl-C
    test [ARGUMENT...]  all tests; arguments are those of prove, e.g. t/unit.t
    asan [ARGUMENT...]  all tests under AddressSanitizer and UBSan
    fuzz [OPTION...] [TARGET...]
                        looks for bytes that break what reads bytes of others;
                        options are in t/fuzz/run
    matrix [RELEASE]    builds and tests in another Debian: trixie or sid
    bench [OPTION...]   measures against others, and prints the tables of
                        docs/performance.md; options are in t/bench/figures
    bench callgrind     instructions, system calls and locks of a request
    bench events        what an event costs that is told by POST events
    bench ledger        instructions of Redis for an event that is booked
    bench due           how fast is caught up with what time does to customers
    bench growth        memory and files over very many logins and requests
    bench soak [OPTION...]
                        full load while Redis and nginx fail at random;
                        options are in t/bench/soak
    check-program [-p FILE] DOCUMENT [CUSTOMER]
                        checks promotions and segments that are kept in Redis
                        before they are, with the loyalty_program in FILE, and
                        tells for a customer which are given, and why others
                        are not
    simulate [HISTORIES [EVENTS]]
                        compares what is booked with a model of it, over
                        10000 random histories of up to 500 events, and while
                        Redis and nginx are killed
    lint                style, compiler warnings, cppcheck, clang-tidy
    install             copies the module to where nginx looks, below $DESTDIR
    deps [GROUP...]     installs what is missing of Debian's packages; groups
                        are build, test, peers, demo, lint, asan, matrix
                        and bench

"demo", "test", "asan", "fuzz", "matrix", "bench", "simulate" and "lint"
install what they need.

Environment:

    JOBS=2                  compilers and tests that run side by side
    V=1                     print the commands of the compiler
    SHOP_TEST_NO_PEERS=1    test without a browser and others' providers
    SHOP_TEST_AGAIN=1       run what has failed once more, one at a time
    SHOP_BUILD=DIR          a folder instead of build/
END
}


say() {
    echo "build.sh: $*" >&2
}


die() {
    say "$@"
    exit 1
}


as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    else
        sudo "$@"
    fi
}


# --- deps -------------------------------------------------------------------

# The packages of a group.  COMMAND=PACKAGE is wanted only where there is no
# such command, wherever it comes from.

packages() {
    case $1 in
        build)
            echo gcc=gcc make=make libc6-dev pkgconf nginx=nginx nginx-dev
            echo libssl-dev libjansson-dev libhiredis-dev
            ;;
        test)
            echo perl libcryptx-perl libjson-xs-perl libio-socket-ssl-perl
            echo openssl redis-server=redis-server ip=iproute2
            echo curl=curl python3=python3 php=php-cli

            # where Debian has it

            case $(. /etc/os-release && echo "${VERSION_CODENAME:-}") in
                trixie|forky|sid)  echo valkey-server=valkey-server ;;
            esac
            ;;
        peers)
            echo node=nodejs npm=npm chromium=chromium sqlite3=sqlite3
            ;;
        demo)
            echo perl libcryptx-perl libjson-xs-perl libio-socket-ssl-perl
            echo redis-server=redis-server
            ;;
        lint)
            echo perl git=git
            echo cppcheck=cppcheck clang=clang clang-tidy=clang-tidy
            ;;
        asan)
            echo clang=clang llvm-symbolizer=llvm libclang-rt-dev
            echo libpcre2-dev zlib1g-dev
            ;;
        matrix)
            echo debootstrap=debootstrap unshare=util-linux
            ;;
        bench)
            echo wrk=wrk valgrind=valgrind strace=strace taskset=util-linux
            echo libnginx-mod-http-lua libnginx-mod-http-js
            echo apache2=apache2-bin libapache2-mod-auth-openidc
            ;;
        *)
            die "deps: no group \"$1\""
            ;;
    esac
}


is_installed() {
    case $1 in
        *=*)  command -v "${1%=*}" >/dev/null ;;
        *)    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" \
                  = installed ] ;;
    esac
}


cmd_deps() {
    local group entry
    local -a missing=()

    [ $# != 0 ] || set -- build test peers demo lint asan matrix bench

    for group; do
        for entry in $(packages "$group"); do
            is_installed "$entry" || missing+=("${entry#*=}")
        done
    done

    [ ${#missing[@]} != 0 ] || return 0

    command -v apt-get >/dev/null \
        || die "this is no Debian; please install: ${missing[*]}"

    say "installing ${missing[*]}"

    as_root apt-get -q update
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get -q install -y --no-install-recommends "${missing[@]}"
}


# The address of Debian's archive, as apt is configured here, whatever the
# format of its sources.

mirror() {
    local codename suites uri

    codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-sid}")

    suites="$codename|oldstable|stable|testing|unstable|sid"

    uri=$(apt-get --print-uris update \
        | sed -nE "s#^'([^']+)/dists/($suites)/main/.*#\1#p" | head -n 1)

    [ -n "$uri" ] || die "apt has no source for $codename"

    echo "$uri"
}


# apt_in FOLDER TYPE ARGUMENT...
#
# apt-get with folders and a list of its own, so that the machine's are
# neither needed nor changed; TYPE is deb or deb-src.

apt_in() {
    local apt=$1 type=$2 codename uri
    shift 2

    codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-sid}")
    uri=$(mirror)

    mkdir -p "$apt"/{lists,cache/archives/partial,empty}
    echo "$type $uri $codename main" >"$apt/sources.list"

    apt-get -q \
        -o Dir::Etc::sourcelist="$apt/sources.list" \
        -o Dir::Etc::sourceparts="$apt/empty" \
        -o Dir::State::lists="$apt/lists" \
        -o Dir::Cache="$apt/cache" \
        -o APT::Sandbox::User= \
        "$@"
}


# --- build ------------------------------------------------------------------

# Presets change more often than what configure looks at: the file that it has
# made of them is made anew where one did.

embed_presets() {
    awk -f ngx_module/oidc/embed.awk ngx_module/oidc/presets/*.conf >"$1.new"

    if cmp -s "$1.new" "$1"; then
        rm "$1.new"
    else
        mv "$1.new" "$1"
    fi
}


# configure_and_make SRC OBJS TARGET ARGUMENT...
#
# nginx's own two steps, out of the source tree SRC into the folder OBJS.
# configure runs anew when something changed that it looks at.  Several may
# call this at once.

configure_and_make() {
    local src=$1 objs=$2 target=$3 stamp
    shift 3

    mkdir -p "$objs"

    exec 9>"$objs/lock"
    flock 9

    stamp=$({
        echo "$src $*"
        cat "$src/src/core/nginx.h"

        if [ "$target" = modules ]; then
            cat config t/{unit,check}/config ngx_module/redis/*.{awk,lua} \
                ngx_module/redis/*/*.lua ngx_module/http/texts/*
            echo t/fuzz/*.[ch]
        fi
    } | sha256sum)

    if [ "$(cat "$objs/stamp" 2>/dev/null)" != "$stamp" ]; then
        rm -rf "$objs"/{stamp,addon,src}

        (cd "$src" && ./configure --builddir="$objs" "$@") \
            >"$objs/configure.log" 2>&1 9>&- || {
            tail -n 20 "$objs/configure.log" >&2
            die "configure failed, see $objs/configure.log"
        }

        echo "$stamp" >"$objs/stamp"
    fi

    if [ "$target" = modules ]; then
        embed_presets "$objs/addon/oidc/ngx_shop_presets.c"
    fi

    make ${V:-"-s"} -C "$src" -f "$objs/Makefile" --no-print-directory \
        -j "${JOBS:-2}" "$target" 9>&-

    exec 9>&-
}


cmd_build() {
    local -a NGX_CONF_FLAGS

    [ -f "$nginx_src/conf_flags" ] \
        || die "there is no nginx-dev: ./build.sh deps build"

    # shellcheck source=/dev/null
    . "$nginx_src/conf_flags"

    configure_and_make "$nginx_src" "$build/objs" modules \
        --with-cc-opt="-g -O2 -fPIC -fstack-protector-strong -Wformat \
                       -Werror=format-security -D_FORTIFY_SOURCE=2" \
        --with-ld-opt='-Wl,-z,relro -Wl,-z,now -fPIC' \
        "${NGX_CONF_FLAGS[@]}" \
        --add-dynamic-module="$root" \
        --add-dynamic-module="$root/t/unit" \
        --add-dynamic-module="$root/t/check"

    say "built $build/objs/ngx_http_shop_module.so"
}


# --- demo -------------------------------------------------------------------

cmd_demo() {
    cmd_deps build demo
    cmd_build

    export TEST_NGINX_MODULE=$build/objs/ngx_http_shop_module.so

    exec docs/demo/run "$@"
}


# --- test -------------------------------------------------------------------

# Glewlwyd, an OpenID provider of Debian, with those libraries that the machine
# lacks.  It is unpacked only: installed, it would be a service that starts.

unpack_glewlwyd() {
    local dir=$build/glewlwyd apt=$build/glewlwyd.apt deb

    ! [ -d "$dir" ] || return 0

    say "unpacking glewlwyd"

    apt_in "$apt" deb update
    apt_in "$apt" deb -o Debug::NoLocking=1 install -y --download-only \
        --reinstall --no-install-recommends glewlwyd dbconfig-no-thanks

    for deb in "$apt"/cache/archives/*.deb; do
        dpkg -x "$deb" "$apt/root"
    done

    mv "$apt/root" "$dir"
    rm -rf "$apt"
}


# The programs that the project is tested against.  The versions of those of
# npm are in t/package.json.

install_peers() {
    [ -z "${SHOP_TEST_NO_PEERS:-}" ] || return 0
    [ -f t/package.json ] || return 0

    cmd_deps peers

    mkdir -p "$build"
    exec 7>"$build/peers.lock"
    flock 7

    if ! cmp -s t/package-lock.json t/node_modules/.installed.json; then
        (cd t && npm ci --ignore-scripts --no-audit --no-fund 7>&-)
        cp t/package-lock.json t/node_modules/.installed.json
    fi

    unpack_glewlwyd 7>&-

    exec 7>&-
}


# A test that waits may fail because a machine is busy with others.  With
# SHOP_TEST_AGAIN it has a second chance, alone; what is wrong fails twice.

run_tests() {
    local state=$build/tests.state

    rm -f "$state"

    if prove -j "${JOBS:-2}" --state=save --statefile="$state" "$@"; then
        return 0
    fi

    [ -n "${SHOP_TEST_AGAIN:-}" ] || return 1

    say "once more, one at a time: what has failed"

    prove --state=failed --statefile="$state"
}


cmd_test() {
    cmd_deps build test
    cmd_build
    install_peers
    run_tests "$@"
}


# --- asan -------------------------------------------------------------------

# The upstream tarball of the machine's nginx, out of Debian's source package.

fetch_nginx() {
    local apt=$build/apt

    apt_in "$apt" deb-src update
    (cd "$apt" && apt_in "$apt" deb-src source --download-only nginx)
}


sanitized_nginx() {
    local tarball

    if ! [ -x "$build/asan/src/configure" ]; then
        fetch_nginx

        tarball=$(ls "$build"/apt/nginx_*.orig.tar.gz | tail -n 1)

        rm -rf "$build/asan/src.new"
        mkdir -p "$build/asan/src.new"
        tar -xf "$tarball" -C "$build/asan/src.new" --strip-components=1
        mv "$build/asan/src.new" "$build/asan/src"
    fi
}


# nginx gets AddressSanitizer only, as it has its own view of what C allows;
# with NGX_DEBUG_PALLOC each allocation from a pool is one that the sanitizer
# sees.  The module gets UBSan besides, and -Bsymbolic: its "ngx_modules" is
# not to be taken for nginx's.

sanitized_build() {
    local objs=$1 address='-fsanitize=address -fno-omit-frame-pointer'
    local undefined='-fsanitize=undefined -fno-sanitize=function'
    local debug='-g -O1 -fPIC -DNGX_DEBUG_PALLOC=1'
    local -a NGX_CONF_FLAGS

    sanitized_nginx

    # shellcheck source=/dev/null
    . "$nginx_src/conf_flags"

    configure_and_make "$build/asan/src" "$build/asan/nginx" binary \
        --with-cc=clang \
        --with-cc-opt="$debug $address" \
        --with-ld-opt="$address -Wl,-E" \
        "${NGX_CONF_FLAGS[@]}"

    configure_and_make "$build/asan/src" "$objs" modules \
        --with-cc=clang \
        --with-cc-opt="$debug $address $undefined ${2:-}" \
        --with-ld-opt="$address $undefined -Wl,-Bsymbolic ${3:-}" \
        "${NGX_CONF_FLAGS[@]}" \
        --add-dynamic-module="$root" \
        --add-dynamic-module="$root/t/unit" \
        --add-dynamic-module="$root/t/check"

    # "nginx -t" ends without freeing anything; the unit tests look for leaks
    # themselves

    cat >"$build/asan/run-nginx" <<END
#!/bin/sh

case " \$* " in
    *" -t "*)  export ASAN_OPTIONS=\$ASAN_OPTIONS:leak_check_at_exit=0 ;;
esac

exec "$build/asan/nginx/nginx" "\$@"
END
    chmod 755 "$build/asan/run-nginx"

    export TEST_NGINX_BINARY=$build/asan/run-nginx
    export TEST_NGINX_MODULE=$objs/ngx_http_shop_module.so
    export TEST_NGINX_UNIT_MODULE=$objs/ngx_shop_unit_module.so

    export ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1
    export UBSAN_OPTIONS=print_stacktrace=1
    export LSAN_OPTIONS=suppressions=$root/t/lsan.supp:print_suppressions=0
}


cmd_asan() {
    cmd_deps build test asan
    install_peers
    sanitized_build "$build/asan/objs"

    export TEST_TIMEOUT=${TEST_TIMEOUT:-300}

    run_tests "$@"
}


# --- fuzz -------------------------------------------------------------------

# libFuzzer without its main(): it is run by a directive, in "nginx -t".

cmd_fuzz() {
    local fuzzer

    cmd_deps build test asan

    fuzzer=$(clang -print-file-name="libclang_rt.fuzzer_no_main-$(uname -m).a")

    [ -f "$fuzzer" ] || die "fuzz: clang has no libFuzzer"

    sanitized_build "$build/fuzz/objs" \
        '-fsanitize=fuzzer-no-link -DNGX_SHOP_FUZZ=1' "$fuzzer -lstdc++"

    exec t/fuzz/run "$build/fuzz" "$@"
}


# --- matrix -----------------------------------------------------------------

# A base system of another release, made once; a copy of the tree is built
# and tested in it.  Mounts and processes are those of a namespace, and go
# with it.

cmd_matrix() {
    local release=${1:-trixie} chroot

    case $release in
        trixie|sid)  ;;
        *)           die "matrix: trixie or sid, not \"$release\"" ;;
    esac

    cmd_deps matrix

    chroot=$build/matrix/$release

    mkdir -p "$build/matrix"

    exec 8>"$chroot.lock"
    flock 8

    if ! [ -d "$chroot" ]; then
        say "making a base system of $release"

        as_root rm -rf "$chroot.new"
        as_root debootstrap --variant=minbase "$release" "$chroot.new" \
            "$(mirror)" >"$chroot.log" \
            || die "debootstrap failed, see $chroot.log"

        # nothing that is installed there is to be started

        printf '#!/bin/sh\nexit 101\n' \
            | as_root tee "$chroot.new/usr/sbin/policy-rc.d" >/dev/null
        as_root chmod 755 "$chroot.new/usr/sbin/policy-rc.d"

        # a mirror may be a snapshot of some day

        echo 'Acquire::Check-Valid-Until "false";' \
            | as_root tee "$chroot.new/etc/apt/apt.conf.d/50snapshot" \
            >/dev/null

        as_root mv "$chroot.new" "$chroot"
    fi

    as_root rm -rf "$chroot/src"
    as_root mkdir "$chroot/src"
    tar -cf - --exclude=./build --exclude=./.git --exclude=node_modules . \
        | as_root tar -xf - -C "$chroot/src" --no-same-owner

    as_root env -i \
        PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        HOME=/root LANG=C.UTF-8 SHOP_TEST_NO_PEERS=1 JOBS="${JOBS:-2}" \
        SHOP_TEST_AGAIN="${SHOP_TEST_AGAIN:-}" \
        unshare --mount --pid --fork --kill-child \
        sh -euc '
            mount -t proc proc "$0/proc"
            mount --rbind /dev "$0/dev"
            cp -L /etc/resolv.conf "$0/etc/resolv.conf"
            exec chroot "$0" /src/build.sh test
        ' "$chroot" </dev/null 8>&-
}


# --- bench ------------------------------------------------------------------

# Standard output is Markdown, and nothing else.

cmd_bench() {
    local program=figures

    case ${1:-} in
        callgrind|due|events|growth|ledger|soak)
            program=$1
            shift
            ;;
    esac

    {
        cmd_deps build test bench
        cmd_build
        install_peers
    } >&2

    exec "t/bench/$program" "$@"
}


# --- check-program ----------------------------------------------------------

# nginx reads a configuration that names the files, and is asked no more than
# that.  What it prints of its own is of interest only when it could not.

cmd_check_program() {
    local nginx=${TEST_NGINX_BINARY:-nginx}
    local module=${TEST_NGINX_MODULE:-$build/objs/ngx_http_shop_module.so}
    local dir file rc=0
    local program='loyalty_program { }'
    local -a files=()

    if [ "${1:-}" = -p ] && [ $# -gt 2 ]; then
        program="include \"$(cd "$caller" && realpath "$2")\";"
        shift 2
    fi

    if [ $# -lt 1 ] || [ $# -gt 2 ] || [ "$1" = -p ]; then
        say "usage: check-program [-p FILE] DOCUMENT [CUSTOMER]"
        exit 2
    fi

    for file; do
        files+=("\"$(cd "$caller" && realpath "$file")\"")
    done

    [ -n "${TEST_NGINX_MODULE:-}" ] || cmd_build

    dir=$(mktemp -d)

    cat >"$dir/nginx.conf" <<END
load_module "$module";
load_module "$(dirname "$module")/ngx_shop_check_module.so";

pid "$dir/nginx.pid";

events { }

http {
    client_body_temp_path "$dir/body";
    proxy_temp_path       "$dir/proxy";
    fastcgi_temp_path     "$dir/fastcgi";
    uwsgi_temp_path       "$dir/uwsgi";
    scgi_temp_path        "$dir/scgi";

    access_log off;

    $program
    shop_check_program ${files[@]};
}
END

    "$nginx" -t -q -p "$dir" -e stderr -c "$dir/nginx.conf" 2>"$dir/errors" \
        || rc=1

    if [ $rc != 0 ]; then
        grep -v "^nginx: configuration file .* test failed" "$dir/errors" >&2 \
            || true
    fi

    rm -r "$dir"

    return $rc
}


# --- simulate ---------------------------------------------------------------

cmd_simulate() {
    local histories=${1:-10000} jobs=${JOBS:-2} first last i failed=0
    local -a pids=()

    cmd_deps build test
    cmd_build

    export SHOP_UPTO=${2:-500} SHOP_ROUNDS=${2:-500}
    export TEST_TIMEOUT=${TEST_TIMEOUT:-864000}

    prove t/loyalty_kills.t || failed=1

    for ((i = 0; i < jobs; i++)); do
        first=$((histories * i / jobs + 1))
        last=$((histories * (i + 1) / jobs))

        SHOP_HISTORY=$first-$last prove t/loyalty_ledger.t &
        pids+=($!)
    done

    for i in "${pids[@]}"; do
        wait "$i" || failed=1
    done

    return $failed
}


# --- lint -------------------------------------------------------------------

# Each check runs, whatever the others find.

cmd_lint() {
    local failed=0 includes
    local -a sources warnings

    cmd_deps build lint
    cmd_build

    sources=("$root"/ngx_module/*/*.c "$root"/t/{unit,fuzz,check}/*.c)
    warnings=(
        -Wall -Wextra -Werror -Wno-unused-parameter -Wpointer-arith -Wvla
        -Wdeclaration-after-statement -Wmissing-prototypes -Wshadow
    )

    # as nginx's makefile has them, some are below $nginx_src

    includes=$(make -s -C "$nginx_src" -f "$build/objs/Makefile" \
        --eval 'includes: ; @echo $(ALL_INCS)' includes)

    say "lint: style"
    t/lint/style || failed=1

    say "lint: warnings of gcc"
    # shellcheck disable=SC2086
    (cd "$nginx_src" && gcc -fsyntax-only -O2 "${warnings[@]}" $includes \
        "${sources[@]}") || failed=1

    say "lint: cppcheck"
    cppcheck -q --enable=warning,performance,portability --inline-suppr \
        --error-exitcode=1 -j "${JOBS:-2}" -I ngx_module ngx_module t/unit \
        t/fuzz t/check || failed=1

    # NGX_DEBUG is off, since the debug form of ngx_queue_remove() looks like
    # a use of NULL to it

    say "lint: clang-tidy"
    # shellcheck disable=SC2086
    (cd "$nginx_src" && printf '%s\0' "${sources[@]}" \
        | xargs -0 -n 4 -P "${JOBS:-2}" sh -c 'clang-tidy --quiet "$@" -- \
            -DNGX_DEBUG=0 $0 2>/dev/null' "$includes") || failed=1

    [ $failed = 0 ] || die "lint: there is something to mend"

    say "lint: nothing to mend"
}


# --- install ----------------------------------------------------------------

# Where nginx was told to look, and a file that loads the module there the
# way Debian's own modules are loaded.

cmd_install() {
    local dest=${DESTDIR:-} modules available enabled
    local -a as=()

    cmd_build

    modules=$(nginx -V 2>&1 | sed -nE 's/.*--modules-path=([^ ]+).*/\1/p')
    available=/usr/share/nginx/modules-available
    enabled=/etc/nginx/modules-enabled

    [ -n "$dest" ] || as=(as_root)

    "${as[@]}" install -D -m 644 "$build/objs/ngx_http_shop_module.so" \
        "$dest${modules:=/usr/lib/nginx/modules}/ngx_http_shop_module.so"

    say "installed $dest$modules/ngx_http_shop_module.so"

    if [ -d $enabled ]; then
        echo "load_module $modules/ngx_http_shop_module.so;" \
            | "${as[@]}" install -D -m 644 /dev/stdin \
                "$dest$available/mod-http-shop.conf"

        "${as[@]}" install -d "$dest$enabled"
        "${as[@]}" ln -sf "$available/mod-http-shop.conf" \
            "$dest$enabled/50-mod-http-shop.conf"

        say "loaded by $dest$enabled/50-mod-http-shop.conf"
    fi
}


# ----------------------------------------------------------------------------

command=${1:-build}
[ $# = 0 ] || shift

case $command in
    deps|build|demo|test|asan|fuzz|matrix|bench|simulate|lint|install)
        "cmd_$command" "$@"
        ;;
    check-program)
        cmd_check_program "$@"
        ;;
    help|-h|--help)
        usage
        ;;
    *)
        usage >&2
        exit 2
        ;;
esac
