#!/usr/bin/env bash
# Rules of the house that grep can see: who includes whom, who may exit, what is never called.
set -u
cd "$(git rev-parse --show-toplevel 2>/dev/null || dirname "$0")" || exit 1
failed=0

# deny RULE PATTERN PATHS...: no line of the paths may match.
deny() {
    local rule=$1 pattern=$2
    shift 2
    local hits
    hits=$(git grep -nE "$pattern" -- "$@" 2>/dev/null)
    if [ -n "$hits" ]; then
        printf 'tidy: %s\n%s\n' "$rule" "$hits"
        failed=1
    fi
}

deny "lang includes only lang and the tables of stdlib" '#include "(runtime|compiler)/' 'lang/*.c' 'lang/*.h' 'lang/parse/*'
deny "stdlib includes only itself and lang/base.h" '#include "(runtime|compiler|lang/([^b]|b[^a]))' 'stdlib/*.c' 'stdlib/*.h'
deny "runtime includes no compiler" '#include "compiler/' 'runtime/*.c' 'runtime/*.h'
deny "llvm-c stays in emit and jit" '#include .llvm-c/' 'lang/*' 'runtime/*' 'stdlib/*' 'tests/*' 'compiler/*' ':!compiler/emit*' ':!compiler/jit.c' ':!tests/tidy.sh'
deny "the compiler includes of runtime only its border" '#include "runtime/([^a]|a[^b])' 'compiler/*.c' 'compiler/*.h' ':!compiler/healc/*'
deny "the core knows no clock, file or socket" '\b(clock_gettime|gettimeofday|time\(NULL|fopen|socket|getenv|rand|random)\(' 'runtime/engine/*.c'
deny "only mains, subcommands and processes print, log and exit" '(^|[^_a-z])(exit|printf|puts|perror)\(' 'lang/*.c' 'stdlib/*.c' 'runtime/engine/*.c' 'runtime/store/*.c' 'runtime/act/*.c' 'runtime/ingest/*.c' 'runtime/api/*.c' 'runtime/config/*.c'
deny "banned: unbounded or unsafe calls" '\b(strcpy|strcat|sprintf|vsprintf|strtok|atoi|atof|atol|localtime|gmtime|gets)\(' '*.c' '*.h' '*.l' '*.y'
deny "assert is off in release; use CHECK" '\bassert\(' 'lang/*.c' 'runtime/*.c' 'stdlib/*.c' 'compiler/*.c'
deny "work left undone" '(^|[^A-Za-z])(TODO|FIXME|XXX)([^A-Za-z]|$)' '*.c' '*.h' '*.l' '*.y' '*.py' '*.sh' '*.md' ':!tests/tidy.sh'

while read -r file; do
    case "$file" in *.h) ;; *) continue ;; esac
    guard="HEAL_$(printf '%s' "${file%.h}" | tr 'a-z/.-' 'A-Z___')_H"
    if ! grep -q "#ifndef $guard" "$file"; then
        printf 'tidy: %s: its guard is %s\n' "$file" "$guard"
        failed=1
    fi
done < <(git ls-files '*.h')
[ "$failed" = 0 ] && echo "tidy: clean"
exit "$failed"
