#!/usr/bin/env python3
"""Templates expand as a real Prometheus expands them: promtool prints what it got, and so does template_probe.
Needs promtool (Debian package prometheus); without it the test says so and passes."""
import itertools
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

BUILD = pathlib.Path(sys.argv[1]).resolve()
LABELS = {"instance": "a.example.org:80", "job": "b", "n": "42", "odd": "<x> & 'y' \"z\" \\ äß", "empty_not": "0"}

CASES = r'''
plain text
{{ 1 }}
{{ 1 | }}
{{ | }}
{{}}
{{ $value }}|{{ $labels.job }}|{{ .Labels.job }}|{{ .Value }}|{{ $externalLabels.site }}|{{ .ExternalLabels.site }}|{{ $externalURL }}
{{$labels.nope}}|{{ index $labels "nope" }}|{{ index $labels "job" }}
a {{- 1 -}} b
a {{- /* words */ -}} b
a {{/* words */}} b
{{ /* words */ }}
a {{- " x " -}}
{{ 3 -}}   x
{{if true}}1{{else}}2{{end}}
{{if false}}1{{else if $labels.nope}}2{{else if eq $labels.job "b"}}3{{else}}4{{end}}
{{with $labels.job}}{{.}}{{else}}none{{end}}|{{with $labels.nope}}{{.}}{{else}}none{{end}}
{{with $x := 5}}{{$x}}{{end}}
{{$x := 1}}{{if true}}{{$x = 2}}{{$y := 3}}{{$x}}{{$y}}{{end}}{{$x}}
{{if true}}{{$y := 3}}{{end}}{{$y}}
{{$x = 1}}
{{range $labels}}{{.}},{{end}}
{{range $k, $v := $labels}}{{$k}}={{$v}};{{end}}
{{range $i, $e := query "q" | sortByLabel "instance"}}{{$i}}:{{$e.Labels.instance}}={{$e.Value}};{{end}}
{{range query "q" | sortByLabel "instance"}}{{.Labels.instance}}={{.Value | humanize}} {{end}}
{{range query "nope"}}x{{else}}none{{end}}
{{range query "q" | sortByLabel "instance"}}{{if eq .Value 2.0}}{{continue}}{{end}}{{.Value}}{{break}}{{end}}
{{break}}
{{range $x}}{{end}}
{{range 1.5}}{{end}}
{{range "abc"}}{{end}}
{{query "nope" | first}}
{{(query "q" | sortByLabel "instance" | first).Labels.instance}}
{{query "q" | sortByLabel "instance" | first | label "instance"}}{{query "q" | sortByLabel "instance" | first | value}}
{{query "q" | sortByLabel "instance" | first | strvalue}}|
{{(query "q").banana}}
{{query "nope"}}
{{query "q" | sortByLabel "instance" | first}}
{{len (query "q")}}{{len $labels}}{{len "abc"}}{{len 1}}
{{index (query "q" | sortByLabel "instance") 1}}
{{index (query "q") 2}}
{{index "abc" 1}}{{index "abc" -1}}
{{index "abc" "x"}}
{{index 1 2}}
{{slice "abcdef" 2}}|{{slice "abcdef" 2 4}}|{{slice "abcdef"}}
{{slice "abcdef" 4 2}}
{{slice "abcdef" 1 2 3}}
{{slice "abc" 9}}
{{args 1 "two" 3.5}}{{args}}
{{define "x"}}[{{.arg0}} {{.arg1}}{{.arg2}}]{{end}}{{template "x" (args 1 "2")}}
{{define "x"}}{{$labels}}{{end}}{{template "x" .}}
{{define "x"}}{{$.Labels.job}}{{end}}{{template "x" .}}
{{define "x"}}a{{end}}{{define "x"}}b{{end}}{{template "x"}}
{{define "x"}} {{end}}{{define "x"}}b{{end}}{{template "x"}}
{{template "nope"}}
{{block "b" $labels.job}}<{{.}}>{{end}}
{{define "x"}}{{template "x"}}{{end}}
{{if true}}{{define "x"}}{{end}}{{end}}
{{define "x"}}
{{end}}
{{else}}
{{if}}x{{end}}
{{if true}}x
{{if true}}{{else}}{{else}}{{end}}
{{nope}}
{{$nope}}
{{.Nope}}
{{$labels.a.b}}
{{$value.a}}
{{nil}}
{{nil.a}}
{{print nil}}
{{1.a}}
{{"a".b}}
{{true.x}}
{{. | 1}}
{{1 2}}
{{1 | $labels.job}}
{{$labels.job 1}}
{{$value 1}}
{{(1)}}{{(print 1 2)}}
{{(print 1}}
{{print 1)}}
{{print ()}}
{{"unclosed}}
{{`raw "x" \n`}}{{"esc\t\"\\\x41\u00e9\101"}}
{{"bad \q"}}
{{'a'}}{{'\n'}}{{'é'}}
{{''}}
{{0x1F}} {{017}} {{0o17}} {{0b101}} {{1_000}} {{1e3}} {{0x1p4}} {{-5}} {{+5}} {{.5}} {{5.}} {{1E-7}}
{{1e400}}
{{09}}
{{1_}}
{{99999999999999999999}}
{{9223372036854775807}} {{-9223372036854775808}}
{{1x}}
{{1.5.2}}
{{$}}
{{$.Value}}
{{..}}
{{.Labels.}}
{{ $labels.job"x" }}
{{print"x"}}
{{print "a""b"}}
{{$a,$b := 1}}
{{range $a,$b,$c := $labels}}{{end}}
{{ : }}
{{ # }}
{{ ä }}
{{ - }}
{{print}}|{{print "a" 1 2 "b" 3 true 4.5}}|{{print 1 2}}|{{println "a" 1}}|{{println}}
{{printf}}
{{printf 1}}
{{printf "%s"}}|{{printf "%s %s" "a"}}|{{printf "a" 1 "b"}}|{{printf "%z" 1}}|{{printf "%"}}|{{printf "%!"}}|{{printf "100%%"}}
{{printf "%[2]s %[1]s" "a" "b"}}|{{printf "%[3]s" "a"}}|{{printf "%*d" 5 42}}|{{printf "%.*f" 2 3.14159}}|{{printf "%[1]d %d" 1 2}}
{{printf "%s" nil}}|{{printf "%v" nil}}|{{printf "%d" nil}}
{{printf "%v %v %v" true "x" 'a'}}|{{printf "%T %T %T %T %T" true "x" 1 1.5 'a'}}|{{printf "%T" $labels}}
{{printf "%v" $labels}}|{{printf "%s" $labels}}
{{printf "%q" "a\"b\n\x00é\xff"}}|{{printf "%q" 'x'}}|{{printf "%#q" "a"}}|{{printf "%+v" "x"}}|{{printf "%x" "hi"}}|{{printf "% X" "hi"}}|{{printf "%#x" "hi"}}
{{printf "%5s|%-5s|%.2s|%05s" "abc" "abc" "abc" "abc"}}|{{printf "%5s" "äß"}}
{{printf "%t" true}}|{{printf "%t" 1}}|{{printf "%d" true}}
{{printf "%c" 65}}|{{printf "%U" 65}}|{{printf "%c" 8364}}
{{printf "%d" "x"}}|{{printf "%d" 1.5}}|{{printf "%s" 1}}|{{printf "%f" 1}}|{{printf "%s" 1.5}}|{{printf "%f" "1"}}
{{not true}}{{not 0}}{{not ""}}{{not $labels}}
{{and 1 0 2}}|{{and 1 2}}|{{or 0 "" "x"}}|{{or 0 ""}}|{{1 | and 0}}|{{1 | or 0}}|{{0 | or 2}}
{{or $labels.nope $labels.job}}
{{and}}
{{and true (query "nope" | first)}}
{{and false (query "nope" | first)}}
{{eq 1 1}}{{eq 1 2 1}}{{eq "a" "a"}}{{eq 1.5 1.5}}{{eq true true}}{{ne 1 2}}{{lt 1 2}}{{le 2 2}}{{gt 3 2}}{{ge 2 3}}{{lt "a" "b"}}{{lt 1.5 2.5}}
{{eq 1}}
{{eq 1 1.0}}
{{eq 1 "1"}}
{{eq $value 5}}
{{gt $value 5.0}}
{{gt $value 5}}
{{lt true false}}
{{lt $labels $labels}}
{{eq 'a' 97}}{{lt 'a' 98}}
{{eq nil nil}}{{eq $labels.nope ""}}
{{html $labels.odd}}|{{js $labels.odd}}|{{urlquery $labels.odd}}|{{html 1 2 "x"}}|{{html .Nope}}
{{js "a\n=\u0001"}}|{{urlquery "a b/c?d=e&f~g-h_i.j*"}}
{{title "aa bb CC"}}|{{title "a-b c_d é.ß"}}|{{toUpper "aa é ß я ω"}}|{{toLower "AA É Я Ω"}}|{{title "x1 2y"}}
{{title 1}}
{{toUpper $value}}
{{graphLink "up == 1 and x{a='b'}"}}|{{tableLink "up"}}
{{graphLink 1}}
{{reReplaceAll "(a)b" "x$1" "ab"}}|{{reReplaceAll "a*" "-" "baac"}}|{{reReplaceAll "(?P<n>b)" "[${n}]$$ $9 ${1}x $1x" "abc"}}|{{reReplaceAll "x" "y" "abc"}}|{{reReplaceAll "" "." "äb"}}
{{"abc" | reReplaceAll "b" "x"}}|{{reReplaceAll ":.*" "" $labels.instance}}|{{reReplaceAll "a.c" "x" "a\nc"}}|{{reReplaceAll "^|b$" "<>" "ab"}}|{{reReplaceAll "(a)|b" "[$1]" "ab"}}
{{match "[0-9]+" "12a"}}{{match "^[0-9]+$" "12a"}}{{match "a.b" "a\nb"}}
{{stripPort "a:1"}}|{{stripPort "[::1]:80"}}|{{stripPort "::1"}}|{{stripPort "a"}}|{{stripPort "a:b:c"}}|{{stripPort ":80"}}|{{stripPort "a:"}}|{{stripPort ""}}|{{stripPort "[::1]"}}|{{stripPort "a[b]:1"}}
{{stripDomain "a.b.c:80"}}|{{stripDomain "a.b.c"}}|{{stripDomain "10.0.0.1:80"}}|{{stripDomain "10.0.0.1"}}|{{stripDomain "[::1]:80"}}|{{stripDomain "::1"}}|{{stripDomain "a"}}|{{stripDomain ""}}|{{stripDomain ".a"}}
{{parseDuration "1h30m"}}|{{parseDuration "0"}}|{{parseDuration "1y2w3d4h5m6s7ms"}}|{{parseDuration "90s"}}
{{parseDuration ""}}
{{parseDuration "1m1h"}}
{{parseDuration "1.5h"}}
{{parseDuration "x"}}
{{parseDuration "1h "}}
{{humanizeTimestamp 1435065584.128}}|{{humanizeTimestamp 0}}|{{humanizeTimestamp -1.5}}|{{humanizeTimestamp "1e9"}}|{{humanizeTimestamp 951782400}}|{{humanizeTimestamp 4107542400}}
{{humanizeTimestamp 1e30}}
{{humanizeTimestamp "Inf"}}{{humanizeTimestamp "NaN"}}
{{toTime 1435065584.128}}|{{(toTime 1e9).Year}}|{{(toTime 1e9).Month}}|{{(toTime 1e9).Weekday}}|{{(toTime 1e9).Unix}}|{{(toTime 1e9).YearDay}}|{{(toTime 1e9).Hour}}
{{(toTime 1435065584.128).Format "Mon Jan _2 15:04:05.000 2006 PM pm 3 03 1 2 06 MST -0700 -07:00 Z07:00 Monday January 002 .999 02/01"}}
{{(toTime 1e9).Format}}
{{(toTime 1e9).Format 1}}
{{toTime "NaN"}}
{{(toTime 1e9).Nope}}
{{toTime 1 | humanize}}
{{humanize "x"}}
{{humanize ""}}
{{humanize " 1"}}
{{humanize "1e5"}}{{humanize "0x1p4"}}{{humanize "inf"}}{{humanize "-Inf"}}{{humanize "nan"}}
{{humanize "1e999"}}
{{humanize true}}
{{humanize nil}}
{{humanize $labels}}
{{humanize $labels.n}}{{$labels.n | humanizeDuration}}
{{safeHtml "<b>"}}|{{printf "%T" (safeHtml "x")}}|{{len (safeHtml "abc")}}
{{toUpper (safeHtml "x")}}
{{humanize 1 2}}
{{humanize}}
{{value nil}}
{{label "x" nil}}
{{first nil}}
{{sortByLabel "x" nil}}
{{first 1}}
{{call nil}}
{{call 1}}
{{ . }}
{{ $labels }}
{{ print . }}
{{ $labels | print }}
{{ query }}
{{ query 1 }}
{{ query "q" "x" }}
a{{"\n"}}{{$labels.nope.x}}
{{ if and (eq $labels.job "b") (ne $labels.n "1") }}yes{{ end }}
{{ $labels.deployment | $labels.statefulset | $labels.daemonset }}
{{ or $labels.pod $labels.instance }}
{{ with query "q" | sortByLabel "instance" }}{{ . | first | value | printf "%.2f" }}{{ end }}
{{ with printf "q" | query }}{{ len . }}{{ end }}
{{`{{ $labels.x }}`}}
}} {{ "}}" }}
{ {{ 1 }} }
{{ 1
}}
{{if $labels.job -}}
   x
{{- end }}
'''.strip('\n').split('\n')

FLOATS = ["0.0", "1.0", "-1.0", "0.1", "1.5", "100000.0", "999999.0", "1000000.0", "1234567.0", "0.0001", "0.00001", "123456789.125",
          "1e20", "1e21", "1e300", "5e-324", "-2.5", "2.5", "3.5", "0.000123456", "1048576.0", "899.99", "86399.9", "-90061.5", "1e15",
          "0.30000000000000004", "2e-7"]
VERBS = ["%v", "%g", "%f", "%e", "%.2f", "%.0f", "%8.3f", "%-8.1f|", "%08.2f", "%+.1f", "% .1f", "%.3g", "%.4g", "%10g", "%G", "%E", "%.3e",
         "%#g", "%#.3g", "%.10v", "%x", "%X", "%.2x", "%6.0f", "%+v", "%#.0f", "%F", "%s", "%d", "%5v"]
INTS = ["0", "1", "-1", "42", "1000000", "-123456"]
INT_VERBS = ["%d", "%5d", "%-5d|", "%05d", "%+d", "% d", "%x", "%X", "%#x", "%o", "%#o", "%O", "%b", "%#b", "%.4d", "%8.4d", "%v", "%s", "%f", "%q",
             "%e", "%-05d|", "%+05d"]
HUMAN = ["humanize", "humanize1024", "humanizeDuration", "humanizePercentage", "print", "html"]


def generated():
    for verb in VERBS:
        yield "".join('{{printf "%s" %s}};' % (verb, f) for f in FLOATS)
    for verb in INT_VERBS:
        yield "".join('{{printf "%s" %s}};' % (verb, i) for i in INTS)
    for function, number in itertools.product(HUMAN, FLOATS + INTS):
        yield "{{ %s %s }}" % (function, number)
    for start, end in itertools.product(["{{", "{{- "], ["}}", " -}}"]):
        yield "a  %s 1 %s \n b %s/* c */%s d" % (start, end, start, end)


def promtool(texts, value):
    """What promtool expands each text to: ("parse", words) or ("run", words)."""
    folder = pathlib.Path(tempfile.mkdtemp())
    bad = {}

    def write(indexes):
        rules = [{"alert": "A%d" % i, "expr": "label_replace(m, 'x_', '', '', '')", "annotations": {"x": texts[i]}} for i in indexes]
        (folder / "rules.yml").write_text(json.dumps({"groups": [{"name": "g", "rules": rules}]}))

    write(range(len(texts)))
    check = subprocess.run(["promtool", "check", "rules", folder / "rules.yml"], capture_output=True, text=True)
    for found in re.finditer(r'"A(\d+)": annotation "x": (.*)', check.stdout + check.stderr):
        bad[int(found.group(1))] = found.group(2)
    good = [i for i in range(len(texts)) if i not in bad]
    write(good)
    series = "m{%s}" % ",".join("%s=%s" % (k, json.dumps(v, ensure_ascii=False)) for k, v in LABELS.items())
    inputs = [{"series": series, "values": value}, {"series": 'q{instance="b"}', "values": "7.5"}, {"series": 'q{instance="a"}', "values": "2"}]
    cases = [{"eval_time": "0m", "alertname": "A%d" % i} for i in good]
    test = {"rule_files": ["rules.yml"], "tests": [{"interval": "1m", "external_labels": {"site": "eu"}, "input_series": inputs,
                                                    "alert_rule_test": cases}]}
    (folder / "test.yml").write_text(json.dumps(test))
    run = subprocess.run(["promtool", "test", "rules", folder / "test.yml"], capture_output=True, text=True)
    shutil.rmtree(folder)
    got = {}
    for part in re.split(r"alertname: A", run.stdout + run.stderr)[1:]:
        found = re.search(r'Annotations:\{(?:x="((?:[^"\\]|\\.)*)")?\}', part)
        got[int(part.split(",")[0])] = found.group(1) or "" if found else None
    return [("parse", bad[i]) if i in bad else ("run", got.get(i)) for i in range(len(texts))]


def heal(texts, value):
    labels = ",".join("%s=%s" % item for item in sorted(list(LABELS.items()) + [("__name__", "m")]))
    run = subprocess.run([BUILD / "template_probe", value, labels, "site=eu", *texts], capture_output=True)
    assert run.returncode == 0, run.stderr
    lines = run.stdout.decode("utf-8", "backslashreplace").splitlines()
    assert len(lines) == len(texts), (len(lines), len(texts))
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1][1:-1]) for line in lines]


def unquote(text):
    return re.sub(r'\\(x..|u....|U........|.)', lambda m: {"n": "\n", "t": "\t", "r": "\r", "a": "\a"}.get(m.group(1)) or (
        m.group(1) if len(m.group(1)) == 1 else chr(int(m.group(1)[1:], 16))), text or "")


def main():
    if not shutil.which("promtool"):
        print("promtool is missing (package prometheus): nothing is compared\n0 passed, 0 failed")
        return 0
    texts = CASES + list(generated())
    passed = failed = 0
    for value in ["1234567", "0.25"]:
        for text, theirs, ours in zip(texts, promtool(texts, value), heal(texts, value)):
            same = theirs[0] == ours[0] and (theirs[0] == "parse" or unquote(theirs[1]) == unquote(ours[1]))
            passed += same
            failed += not same
            if not same:
                print("FAIL %r\n  promtool %s %s\n  heal     %s %s" % ((text,) + theirs + ours))
    print("%d passed, %d failed" % (passed, failed))
    return failed > 0


sys.exit(main())
