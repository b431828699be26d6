
# Copyright (C) The ngx_shop authors

# Turns Lua scripts into one C file, for "config":
#
#     awk -f embed.awk customer.lua session.lua > ngx_shop_redis_scripts.c
#
# customer.lua becomes ngx_shop_redis_script_customer; the table of all of
# them ends with NULL.  The digests are computed when a worker starts.
#
# A line "-- part: NAME" of ledger.lua stands for ledger/NAME.lua, indented as
# the line is.


BEGIN {
    print ""
    print "/* made by embed.awk from the files *.lua */"
    print ""
    print ""
    print "#include <ngx_config.h>"
    print "#include <ngx_core.h>"
    print ""
    print "#include \"redis/ngx_shop_redis.h\""

    for (i = 1; i < ARGC; i++) {
        script(ARGV[i])
    }

    print ""
    print ""
    print "ngx_shop_redis_script_t  *ngx_shop_redis_scripts[] = {"

    for (i = 1; i < ARGC; i++) {
        print "    &ngx_shop_redis_script_" name(ARGV[i]) ","
    }

    print "    NULL"
    print "};"

    exit failed
}


function name(path)
{
    sub(/^.*\//, "", path)
    sub(/\.lua$/, "", path)

    return path
}


function script(path)
{
    print ""
    print ""
    print "ngx_shop_redis_script_t  ngx_shop_redis_script_" name(path) " = {"
    print "    ngx_string(\"" name(path) "\"),"
    print "    ngx_string("

    embed(path, "")

    print "    ),"
    print "    ngx_null_string,"
    print "    { 0 }"
    print "};"
}


function embed(path, indent,    line, rc, part)
{
    while ((rc = (getline line < path)) > 0) {

        if (line ~ /^ *-- part: [a-z]+$/) {
            part = path
            sub(/\.lua$/, "/", part)
            part = part substr(line, index(line, ":") + 2) ".lua"

            embed(part, indent substr(line, 1, index(line, "-") - 1))
            continue
        }

        print "        \"" (line == "" ? "" : indent quoted(line)) "\\n\""
    }

    if (rc < 0) {
        print "cannot read " path > "/dev/stderr"
        failed = 1
    }

    close(path)
}


# a question mark is escaped too, two of them might start a trigraph

function quoted(line,    i, c, text)
{
    for (i = 1; i <= length(line); i++) {
        c = substr(line, i, 1)
        text = text (index("\\\"?", c) ? "\\" c : c == "\t" ? "\\t" : c)
    }

    return text
}
