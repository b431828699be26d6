
# Copyright (C) The ngx_shop authors

# Turns presets into one C file, for "config":
#
#     awk -f embed.awk github.conf google.conf > ngx_shop_presets.c
#
# Comments are left out, but not their lines, which messages count.  A preset
# ends with the brace of the block that it is parsed as.


BEGIN {
    print ""
    print "/* made by embed.awk from the files *.conf */"
    print ""
    print ""
    print "#include <ngx_config.h>"
    print "#include <ngx_core.h>"
    print ""
    print "#include \"oidc/ngx_shop_oidc.h\""
    print ""
    print ""
    print "ngx_shop_preset_t  ngx_shop_presets[] = {"

    for (i = 1; i < ARGC; i++) {
        preset(ARGV[i])
    }

    print ""
    print "    { ngx_null_string, ngx_null_string }"
    print "};"

    exit failed
}


function name(path)
{
    sub(/^.*\//, "", path)
    sub(/\.conf$/, "", path)

    return path
}


function preset(path,    line, rc)
{
    print ""
    print "    { ngx_string(\"" name(path) "\"),"
    print "      ngx_string("

    while ((rc = (getline line < path)) > 0) {
        sub(/^ *#.*$/, "", line)
        print "        \"" quoted(line) "\\n\""
    }

    if (rc < 0) {
        print "cannot read " path > "/dev/stderr"
        failed = 1
    }

    close(path)

    print "        \"}\\n\""
    print "      ) },"
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
