/* Is a policy for each series an alert and nothing more? What may labels and annotations be called?
 * And what do all recorded signals of one name have in common? */
#include "lang/check_internal.h"

/* ---- policies for each series ---- */

static void not_for_series(struct check *check, const struct policy *policy, struct span span,
                           const char *clause)
{
    struct diag *d = diag_add(check->diags, DIAG_EACH_SERIES, span,
                              "policy '%s' is for each series that its condition gives, and %s "
                              "needs entities that are known beforehand",
                              policy->name.text, clause);
    diag_label(d, policy->each_span, "for each series");
    diag_help(d, "declare a pool and write 'for each WORD in POOL', or leave %s out", clause);
}

static void check_each_series(struct check *check, const struct policy *policy)
{
    if (policy->heals) {
        not_for_series(check, policy, policy->heals->span, "'heal'");
    }
    if (policy->causes) {
        not_for_series(check, policy, policy->causes->span, "'cause'");
    }
    if (policy->bounds) {
        not_for_series(check, policy, policy->bounds->span, "'bound'");
    }
    if (policy->keeps) {
        not_for_series(check, policy, policy->keeps->span, "'keep'");
    }
    if (policy->clear.expr) {
        not_for_series(check, policy, policy->clear.span, "'clear when'");
    }
    if (policy->resolved_when.expr) {
        not_for_series(check, policy, policy->resolved_when.span, "'resolved when'");
    }
    if (policy->abort_when.expr) {
        not_for_series(check, policy, policy->abort_when.span, "'abort when'");
    }
    if (policy->has_settle) {
        not_for_series(check, policy, policy->settle_span, "'settle'");
    }
    if (policy->has_cooldown) {
        not_for_series(check, policy, policy->cooldown.span, "'cooldown'");
    }
}

/* What only an alert has, in a policy that is none. */
static void check_alert_clause(struct check *check, struct span span, const char *clause)
{
    struct diag *d =
        diag_add(check->diags, DIAG_EACH_SERIES, span,
                 "%s belongs to a policy for each series: its alerts have labels", clause);
    diag_help(d, "write 'for each series' behind the policy's name, or leave %s out", clause);
}

/* ---- labels and annotations ---- */

static void check_pairs(struct check *check, const struct pair *pairs, const char *what)
{
    size_t count = 0;
    for (const struct pair *b = pairs; b; b = b->next) {
        for (const struct pair *a = pairs; a != b; a = a->next) {
            if (same(a->name.text, b->name.text)) {
                struct diag *d = diag_add(check->diags, DIAG_REPEATED, b->name.span,
                                          "%s '%s' is written twice", what, b->name.text);
                diag_label(d, a->name.span, "first here");
                diag_help(d, "remove one of them");
                break;
            }
        }
        if (++count == POLICY_PAIRS_MAX + 1) {
            struct diag *d = diag_add(check->diags, DIAG_TOO_LARGE, b->span, "more than %d %ss",
                                      POLICY_PAIRS_MAX, what);
            diag_help(d, "leave some out");
        }
        if (b->name.text[0] == '\0' || same(b->name.text, "__name__")) {
            struct diag *d = diag_add(check->diags, DIAG_RULE_LABEL, b->name.span,
                                      "no %s can be called '%s'", what, b->name.text);
            diag_help(d, b->name.text[0] ? "the name of a series is that of its signal"
                                         : "give it a name");
        }
    }
}

void check_alerts(struct check *check)
{
    for (const struct policy *p = check->program->policies; p; p = p->next) {
        if (p->each_series) {
            check_each_series(check, p);
        } else if (p->labels) {
            check_alert_clause(check, p->labels->span, "'label'");
        } else if (p->annotations) {
            check_alert_clause(check, p->annotations->span, "'annotation'");
        } else if (p->has_keep_firing) {
            check_alert_clause(check, p->keep_firing_span, "'keep firing'");
        }
        check_pairs(check, p->labels, "label");
        check_pairs(check, p->annotations, "annotation");
    }
    for (const struct recorded *r = check->program->recorded; r; r = r->next) {
        check_pairs(check, r->labels, "label");
    }
}

/* ---- recorded signals ---- */

struct recorded *find_recorded(const struct check *check, const char *name)
{
    struct recorded *r = check->program->recorded;
    while (r && !same(r->name.text, name)) {
        r = r->next;
    }
    return name ? r : NULL;
}

static const struct recorded *same_name_next(const struct recorded *recorded)
{
    const struct recorded *r = recorded->next;
    while (r && !same(r->name.text, recorded->name.text)) {
        r = r->next;
    }
    return r;
}

struct type type_of_recorded(const struct recorded *first)
{
    struct type type = first->expr->type;
    bool all = first->typed;
    for (const struct recorded *r = same_name_next(first); r && all; r = same_name_next(r)) {
        const struct type *other = &r->expr->type;
        all = r->typed && other->role == type.role && other->counter == type.counter &&
              other->dimension.known == type.dimension.known &&
              other->dimension.ratio == type.dimension.ratio &&
              dimension_equal(other->dimension, type.dimension);
        type.weak |= other->weak;
    }
    if (!all) {
        type = (struct type){0};
    }
    type.kind = VALUE_VECTOR; /* a number is recorded as one series without labels */
    type.labels_exact = false;
    type.labels = NULL;
    return type;
}

/* The labels that one recorded signal writes: what is given replaces, an empty text removes. */
static struct name_list *recorded_labels(struct arena *arena, const struct recorded *recorded)
{
    struct name_list *first = NULL, **last = &first;
    for (const struct pair *p = recorded->labels; p; p = p->next) {
        if (p->value[0] != '\0') {
            *last = ARENA_NEW(arena, struct name_list);
            (*last)->name = p->name;
            last = &(*last)->next;
        }
    }
    for (const struct name_list *l = recorded->expr->type.labels; l; l = l->next) {
        const struct pair *p = recorded->labels;
        while (p && !same(p->name.text, l->name.text)) {
            p = p->next;
        }
        if (!p) {
            *last = ARENA_NEW(arena, struct name_list);
            (*last)->name = l->name;
            last = &(*last)->next;
        }
    }
    return first;
}

bool shape_of_recorded(struct arena *arena, const struct recorded *first,
                       struct name_list **ret_labels)
{
    bool exact = first->shaped && first->expr->type.labels_exact;
    struct name_list *labels = exact ? recorded_labels(arena, first) : NULL;
    for (const struct recorded *r = same_name_next(first); r && exact; r = same_name_next(r)) {
        exact = r->shaped && r->expr->type.labels_exact &&
                names_equal(recorded_labels(arena, r), labels);
    }
    *ret_labels = exact ? labels : NULL;
    return exact;
}
