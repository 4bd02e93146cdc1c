/* Does `not during` name a time and a place? */
#include "lang/check_internal.h"

static void unknown_zone(struct check *check, const struct name *zone)
{
    struct nearest near = {.word = zone->text};
    for (size_t i = 0; zone_name(i); i++) {
        nearest_try(&near, zone_name(i));
    }
    struct diag *d = diag_add(check->diags, DIAG_FREEZE_FORM, zone->span,
                              "no time zone is called '%s'", zone->text);
    nearest_help(d, &near, "write one of the tz database, such as Europe/Berlin, or UTC");
}

void check_freeze(struct check *check, struct freeze *freeze)
{
    static const char *const words[] = {"low", "medium", "high"};
    if (!stretch_read(freeze->from.text, freeze->to.text, &freeze->stretch)) {
        struct diag *d =
            diag_add(check->diags, DIAG_FREEZE_FORM, span_join(freeze->from.span, freeze->to.span),
                     "nothing is between '%s' and '%s'", freeze->from.text, freeze->to.text);
        diag_help(d, "write two times of one kind: \"Fri 16:00\"..\"Mon 08:00\", "
                     "\"22:00\"..\"06:00\", \"12-24\"..\"01-02\" or "
                     "\"2026-12-24\"..\"2027-01-02\"");
    }
    if (!zone_find(freeze->zone.text, &freeze->in)) {
        unknown_zone(check, &freeze->zone);
    }
    bool known = freeze->above.text == NULL;
    for (size_t i = 0; !known && i < ARRAY_LEN(words); i++) {
        known = same(words[i], freeze->above.text);
    }
    if (!known) {
        struct diag *d = diag_add(check->diags, DIAG_FREEZE_FORM, freeze->above.span,
                                  "no impact is above '%s'", freeze->above.text);
        diag_help(d, "write low, medium or high");
    }
}
