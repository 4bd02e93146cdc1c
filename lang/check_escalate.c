/* Who is told, then who when nobody answers: the times must climb. */
#include "lang/check_internal.h"

static const double repeat_seconds_min = 60;

static void check_steps(struct check *check, const struct escalate *escalate)
{
    size_t count = 0;
    const struct climb_step *before = NULL;
    for (const struct climb_step *step = escalate->steps; step; before = step, step = step->next) {
        if (++count == CLIMB_STEPS_MAX + 1) {
            struct diag *d = diag_add(check->diags, DIAG_ESCALATION_LADDER, step->span,
                                      "a ladder of channels has at most %d steps behind the first",
                                      CLIMB_STEPS_MAX);
            diag_help(d, "tell several people through one channel");
        }
        if (step->after.value > (before ? before->after.value : 0)) {
            continue;
        }
        struct diag *d =
            diag_add(check->diags, DIAG_ESCALATION_LADDER, step->after.span,
                     "'%s' would be told no later than the channel before it", step->channel.text);
        if (before) {
            diag_label(d, before->after.span, "after %s", before->after.text);
        }
        diag_help(d, "times count from the first page on, so each is longer than the one before");
    }
}

void check_escalations(struct check *check)
{
    for (const struct policy *p = check->program->policies; p; p = p->next) {
        check_steps(check, &p->escalate);
        if (p->escalate.has_repeat && p->escalate.repeat.value < repeat_seconds_min) {
            struct diag *d =
                diag_add(check->diags, DIAG_ESCALATION_LADDER, p->escalate.repeat.span,
                         "a page that is repeated every %s is noise", p->escalate.repeat.text);
            diag_help(d, "write 'repeat every 30m'; the shortest is 1m");
        }
    }
}
