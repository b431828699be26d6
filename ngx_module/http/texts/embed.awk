
# Copyright (C) The ngx_shop authors

# Turns the catalogs of texts into one C file, for "config":
#
#     awk -f embed.awk en.txt de.txt zh-Hans.txt > ngx_shop_texts.c
#
# A catalog has a line "KEY = TEXT" for each text; "title_404" becomes
# NGX_SHOP_TEXT_TITLE_404.  The first one says which there are: another that
# has more or less is an error.  A text goes into pages as it is, so it has
# nothing that would have to be escaped.


BEGIN {
    print ""
    print "/* made by embed.awk from the catalogs of texts */"
    print ""
    print ""
    print "#include <ngx_config.h>"
    print "#include <ngx_core.h>"
    print ""
    print "#include \"http/ngx_shop_http.h\""
    print ""
    print ""
    print "ngx_shop_texts_t  ngx_shop_catalogs[] = {"

    for (i = 1; i < ARGC; i++) {
        catalog(ARGV[i])
    }

    print "    { ngx_null_string, { ngx_null_string } }"
    print "};"

    exit failed
}


function catalog(path,    line, rc, key, language, seen, n)
{
    language = path

    sub(/^.*\//, "", language)
    sub(/\.txt$/, "", language)

    print "    { ngx_string(\"" language "\"), {"

    while ((rc = (getline line < path)) > 0) {

        if (line ~ /^(#|$)/) {
            continue
        }

        if (line !~ /^[a-z0-9_]+ += .*[^ ]$/ || line ~ /[<>&"\\]|\?\?/) {
            fail(path ": malformed line: " line)
            continue
        }

        key = line
        sub(/ .*$/, "", key)
        sub(/^[a-z0-9_]+ += /, "", line)

        if (path == ARGV[1]) {
            keys[key] = 1
            nkeys++
        }

        if (!(key in keys) || key in seen) {
            fail(path ": unknown or twice: " key)
        }

        seen[key] = 1
        n++

        print "        [NGX_SHOP_TEXT_" toupper(key) "] ="
        print "            ngx_string(\"" line "\"),"
    }

    if (rc < 0 || n != nkeys) {
        fail(path ": cannot be read, or lacks a text")
    }

    close(path)

    print "    } },"
}


function fail(message)
{
    print message > "/dev/stderr"
    failed = 1
}
