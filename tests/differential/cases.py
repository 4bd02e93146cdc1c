"""What is compared: an exporter's page as a function of its answers, and the rules over it.

Values cross each threshold by far, so that evaluations that are milliseconds apart do not decide otherwise. Samples are
half a second old when rules are evaluated, and windows are whole seconds, so no sample is exactly as old as a window.
"""
SERIES = 4
TEAMS = {0: "a", 1: "a", 2: "b", 3: "b"}
DOWN = range(47, 50)  # answers that fail


def wave(n, i):
    return (n + 3 * i) % 12


def steps(n, i):
    """Per second: slow for eight seconds, then fast for seven; i shifts it."""
    return 60 if (n + 4 * i) % 15 >= 8 else 5


class Page:
    def __init__(self):
        self.counts = [1000.0 * i for i in range(SERIES)]
        self.buckets = {"0.1": 0, "0.5": 0, "1": 0, "+Inf": 0}
        self.sum = 0.0

    def answer(self, n):
        """The n-th page; None when the exporter fails."""
        out = ["# TYPE g gauge", "# TYPE c_total counter", "# TYPE h histogram"]
        for i in range(SERIES):
            labels = f'i="{i}",team="{TEAMS[i]}"'
            self.counts[i] = 0.0 if (n + 5 * i) % 23 == 0 else self.counts[i] + steps(n, i)
            out.append(f"g{{{labels}}} {wave(n, i)}")
            out.append(f"c_total{{{labels}}} {self.counts[i]}")
            out.append(f'cap{{i="{i}"}} 12')
            out.append(f'info{{i="{i}",owner="o{(n // 20 + i) % 3}"}} 1')
            out.append(f'disk{{i="{i}"}} {2000 - 90 * ((n + 6 * i) % 21)}')
            out.append(f'flap{{i="{i}"}} {(n // (2 if (n // 12 + i) % 2 else 1)) % 2 if (n // 10 + i) % 2 else 7}')
            if (n + 4 * i) % 14 < 8:
                out.append(f'gone{{i="{i}"}} {(n + 4 * i) % 14}')
        out.append(f'odd{{v="nan"}} {"NaN" if n % 9 < 3 else n % 9 + 0.1}')
        out.append(f'odd{{v="inf"}} {"+Inf" if n % 11 < 3 else "-Inf"}')
        self.observe(0.05 if n % 20 < 10 else 0.8)
        out += [f'h_bucket{{le="{le}"}} {count}' for le, count in self.buckets.items()]
        out += [f"h_sum {self.sum}", f'h_count {self.buckets["+Inf"]}']
        return None if n in DOWN else "\n".join(out) + "\n"

    def observe(self, seconds):
        for le in self.buckets:
            self.buckets[le] += 40 * (seconds <= float(le))
        self.sum += 40 * seconds


SAME, NEAR, MOVES, READS = "same", "near", "moves", "reads"
# How the value is judged: of the SAME samples, so the same text; NEAR, for sums are kept and not made anew, so the last
# digits may differ; MOVES with the evaluation's time, so Prometheus is asked for that time; READS what the evaluations
# before wrote, so only the edges are compared.
# record or alert, expression, how, more fields
RULES = [
    ("team:g:sum", "sum by (team) (g)", None, ""),
    ("i:c:rate", "rate(c_total[8s])", None, "labels: {by: rule}"),
    ("i:g:most", "max_over_time(g[4s:1s])", None, ""),
    ("i:g:least", "min_over_time(g[4s:1s])", None, ""),
    ("Threshold", "g > 8", SAME, ""),
    ("ThresholdFor", "g > 5", SAME, "for: 3s"),
    ("KeepFiring", "g > 9", SAME, "keep_firing_for: 4s"),
    ("Between", "g > 2 < 6", SAME, "labels: {severity: page, i: 'x{{ $labels.i }}'}"),
    ("Constant", "g{i=~'0|2'} == 7", SAME, ""),
    ("Rate", "rate(c_total[8s]) > 31.5", MOVES, ""),
    ("RateFor", "rate(c_total[6s]) > 22", MOVES, "for: 2s"),
    ("Increase", "increase(c_total[5s]) > 110", MOVES, ""),
    ("Irate", "irate(c_total[6s]) > 22", SAME, ""),
    ("Delta", "delta(g[5s]) < -4", MOVES, ""),
    ("Idelta", "idelta(g[5s]) < -4", SAME, ""),
    ("Deriv", "deriv(disk[9s]) > 0", NEAR, ""),
    ("Predict", "predict_linear(disk[8s], 7.2) < 0", MOVES, ""),
    ("Average", "avg_over_time(g[6s]) > 6.7", SAME, ""),
    ("Sum", "sum_over_time(g[4s]) > 25", SAME, ""),
    ("Most", "max_over_time(g[4s]) > 10", SAME, ""),
    ("Least", "min_over_time(g[4s]) > 6", SAME, ""),
    ("Count", "count_over_time(gone[10s]) > 6", SAME, ""),
    ("Deviation", "stddev_over_time(g[5s]) > 3", NEAR, ""),
    ("QuantileOver", "quantile_over_time(0.9, g[7s]) > 9.7", SAME, ""),
    ("Last", "last_over_time(gone[4s]) > 5", SAME, ""),
    ("Present", "present_over_time(gone[3s]) == 1", SAME, ""),
    ("Changes", "changes(flap[10s]) > 4", SAME, ""),
    ("Resets", "resets(c_total[7s]) > 0", SAME, ""),
    ("SumBy", "sum by (team) (g) > 12", SAME, ""),
    ("AverageWithout", "avg without (i, instance) (g) > 7.3", SAME, ""),
    ("CountBy", "count by (team) (g > 6) >= 2", SAME, "for: 1s"),
    ("GroupBy", "group by (team) (g > 10)", SAME, ""),
    ("CountValues", "count_values('state', gone) >= 1", SAME, ""),
    ("Quantile", "quantile(0.5, g) > 6", SAME, ""),
    ("TopK", "topk(1, g) > 10", SAME, ""),
    ("BottomK", "bottomk(2, g) > 3.5", SAME, ""),
    ("OnJoin", "g / on (i) cap > 0.8", SAME, ""),
    ("GroupLeft", "g * on (i) group_left (owner) info > 8", SAME, ""),
    ("Apart", "g - ignoring (team) flap < -5.5", SAME, ""),
    ("Both", "g > 4 and on (i) gone", SAME, ""),
    ("Either", "g{i='0'} > 9 or gone > 5", SAME, ""),
    ("ButNot", "g > 5 unless on (i) gone", SAME, ""),
    ("Truth", "sum by (team) (g > bool 6) == 2", SAME, ""),
    ("Scalar", "g > scalar(cap{i='0'}) * 0.71", SAME, ""),
    ("Absent", "absent(gone{i='1'})", SAME, "for: 2s"),
    ("AbsentOver", "absent_over_time(gone{i='2'}[4s])", SAME, "for: 1s"),
    ("Down", "up{job!='app'} == 0", SAME, ""),
    ("Histogram", "histogram_quantile(0.9, sum by (le) (rate(h_bucket[6s]))) > 0.5", MOVES, ""),
    ("Mean", "rate(h_sum[6s]) / rate(h_count[6s]) > 0.42", MOVES, ""),
    ("LabelReplace", "label_replace(g > 7, 'place', 'p$1', 'i', '(.*)')", SAME, ""),
    ("LabelJoin", "label_join(g < 2, 'both', '-', 'team', 'i')", SAME, ""),
    ("Earlier", "g - g offset 5s > 4.5", SAME, ""),
    ("Subquery", "max_over_time(irate(c_total[5s])[7s:1s]) > 30", SAME, ""),
    ("SubqueryDelta", "max_over_time(g[6s:1s]) - min_over_time(g[6s:1s]) > 7", SAME, ""),
    ("NotANumber", "odd{v='nan'} != odd", SAME, ""),
    ("Odd", "odd > 5", SAME, ""),
    ("Clamp", "clamp_max(abs(g - 6), 5) > 3.5", SAME, ""),
    ("Floor", "floor(g / 4) == 2", SAME, ""),
    ("RecordedSum", "team:g:sum > 12", READS, ""),
    ("RecordedRate", "i:c:rate{by='rule'} > 31.5", READS, "for: 1s"),
    ("RecordedSpread", "i:g:most - i:g:least > 5", READS, ""),
    ("OfAlerts", "count(ALERTS{alertname='KeepFiring', alertstate='firing'}) > 1", READS, ""),
]
ALERTS = {name: (expr, how) for name, expr, how, _ in RULES if how}


def rule_file(group):
    out = f"groups:\n- name: {group}\n  interval: 1s\n  rules:\n"
    for name, expr, how, more in RULES:
        out += f'  - {"alert" if how else "record"}: {name}\n    expr: "{expr}"\n'
        out += f"    {more}\n" if more else ""
        out += f"    annotations: {{summary: '{name} of {{{{ $labels.i }}}} at {{{{ $value }}}}'}}\n" if how else ""
    return out
