/* Did a trial do what its test expects? */
#include "runtime/engine/trial_judge.h"

#include <stdio.h>
#include <string.h>

static enum record_kind outcome_kind(const char *word)
{
    static const struct {
        const char *word;
        enum record_kind kind;
    } words[] = {
#define OUTCOME(word, record) {word, RECORD_##record},
#include "lang/test_outcome.def"
#undef OUTCOME
        {"cause", RECORD_CONCLUDED},
    };
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (strcmp(words[i].word, word) == 0) {
            return words[i].kind;
        }
    }
    return RECORD_KINDS;
}

static bool event_matches(const struct trial_event *event, const struct expect *expect)
{
    const char *word = expect->subject.text;
    bool outcome = expect->kind == EXPECT_OUTCOME || expect->kind == EXPECT_NO_OUTCOME;
    if (outcome ? event->kind != outcome_kind(word)
                : event->kind != RECORD_DISPATCHED ||
                      (strcmp(word, "action") != 0 && strcmp(word, event->action) != 0)) {
        return false;
    }
    if (expect->cause.text && !record_has_cause(event->text, expect->cause.text)) {
        return false;
    }
    if (expect->to.text && strcmp(expect->to.text, event->action) != 0) {
        return false;
    }
    /* The target of an incident, or of the action where the two differ: a service. */
    bool acted = event->kind == RECORD_DISPATCHED && expect->on && strstr(event->text, expect->on);
    if (expect->on && !acted && !strstr(event->target, expect->on)) {
        return false;
    }
    double at = duration_to_seconds(event->at);
    return !(expect->has_before && at >= expect->before.value) &&
           !(expect->has_after && at < expect->after.value);
}

void trial_judge(struct trial *trial, const struct expect *expect)
{
    size_t count = 0;
    const struct trial_event *first = NULL;
    for (size_t i = 0; i < trial->event_count; i++) {
        if (event_matches(&trial->events[i], expect)) {
            first = first ? first : &trial->events[i];
            count++;
        }
    }
    bool none = expect->kind == EXPECT_NO_ACTION || expect->kind == EXPECT_NO_OUTCOME;
    bool holds =
        none ? count == 0 : (expect->has_times ? (double)count <= expect->times : count > 0);
    if (holds) {
        return;
    }
    char subject[NAME_BYTES + sizeof CAUSE_WORD];
    snprintf(subject, sizeof subject, "%s%.63s", expect->cause.text ? CAUSE_WORD : "",
             expect->cause.text ? expect->cause.text : expect->subject.text);
    ARRAY_RESERVE(trial->failures, trial->failure_count, trial->failure_capacity);
    struct trial_failure *failure = &trial->failures[trial->failure_count++];
    failure->expect = expect;
    char at[64] = "";
    if (first) {
        duration_print(first->at, at, sizeof at);
    }
    if (none) {
        snprintf(failure->text, sizeof failure->text, "expected no %s, but it came at %s: %.300s",
                 subject, at, first->text);
    } else if (expect->has_times) {
        snprintf(failure->text, sizeof failure->text, "expected %s at most %.0f times: %zu came",
                 subject, expect->times, count);
    } else {
        snprintf(failure->text, sizeof failure->text,
                 "expected %s%s%s%s%s%s%s%s%s: it did not come", subject, expect->on ? " on " : "",
                 expect->on ? expect->on : "", expect->to.text ? " to " : "",
                 expect->to.text ? expect->to.text : "", expect->has_before ? " before " : "",
                 expect->has_before ? expect->before.text : "", expect->has_after ? " after " : "",
                 expect->has_after ? expect->after.text : "");
    }
}
