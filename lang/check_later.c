/* Words of the language that this version understands and does not carry out: refused by name, so
 * that nobody relies on them. The parser refuses whole clauses; these stand inside clauses that are
 * there. */
#include "lang/check_internal.h"

static void later(struct check *check, struct span span, const char *what, const char *help)
{
    struct diag *diag =
        diag_add(check->diags, DIAG_NOT_YET, span, "%s is not in this version", what);
    diag_help(diag, "%s", help);
}

void check_later(struct check *check)
{
    for (const struct action *action = check->program->actions; action; action = action->next) {
        if (action->probe) {
            later(check, action->probe->span, "a probe",
                  "leave 'probe' out; an act in doubt goes to a person");
        }
    }
}
