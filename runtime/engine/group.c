/* One cause, one page: pages of incidents that a policy opened for the same cause, to one channel,
 * are collected for a while after the first, and go out as one that names how many there are. */
#include <stdio.h>
#include <string.h>

#include "runtime/engine/engine_internal.h"

enum {
    GROUP_WINDOW_S = 30, /* after a page; what follows within it waits for its end */
    GROUP_NAMES_MAX = 3  /* targets that a page of several names */
};

static struct incident *incident_of(const struct engine *engine, uint64_t id)
{
    for (size_t i = 0; id != 0 && i < engine->incident_count; i++) {
        if (engine->incidents[i]->id == id) {
            return engine->incidents[i];
        }
    }
    return NULL;
}

static uint64_t group_of(const struct engine *engine, const struct notice *notice)
{
    const struct incident *incident = incident_of(engine, notice->record.incident);
    const uint32_t cause = incident ? incident->cause : 0;
    uint64_t hash = hash_bytes(HASH_INIT, notice->record.policy, strlen(notice->record.policy) + 1);
    hash = hash_bytes(hash, &cause, sizeof cause);
    return hash_bytes(hash, notice->channel, strlen(notice->channel) + 1);
}

/* The window of a group, opened or prolonged to `until`; without room for it nothing is collected.
 */
static void window_open(struct engine *engine, uint64_t group)
{
    const struct instant until = engine_after(engine, GROUP_WINDOW_S);
    size_t kept = 0;
    for (size_t i = 0; i < engine->window_count; i++) {
        const struct page_window *window = &engine->windows[i];
        if (window->until.ns > engine->now.ns && window->group != group) {
            engine->windows[kept++] = *window;
        }
    }
    engine->window_count = kept;
    if (kept < ENGINE_WINDOWS_MAX) {
        engine->windows[engine->window_count++] = (struct page_window){group, until};
    }
}

static struct notice *waiting_of(const struct engine *engine, uint64_t group)
{
    for (size_t i = 0; i < engine->notice_count; i++) {
        struct notice *notice = engine->notices[i];
        if (notice->group == group && notice->collected && notice->tries == 0 &&
            notice->carrier == 0) {
            return notice;
        }
    }
    return NULL;
}

void group_join(struct engine *engine, struct notice *notice)
{
    if (notice->record.kind != RECORD_ESCALATED || notice->record.incident == 0) {
        return; /* a question, and news of a policy, are pages of their own */
    }
    notice->group = group_of(engine, notice);
    for (size_t i = 0; i < engine->window_count; i++) {
        const struct page_window *window = &engine->windows[i];
        if (window->group == notice->group && window->until.ns > engine->now.ns) {
            notice->collected = true;
            notice->next = window->until;
            return;
        }
    }
    notice->collected = waiting_of(engine, notice->group) != NULL; /* they go out at this step */
    if (!notice->collected) {
        window_open(engine, notice->group);
    }
}

bool group_fold(struct engine *engine, const struct record *record, const char *channel)
{
    struct notice fresh = {.record = *record};
    snprintf(fresh.channel, sizeof fresh.channel, "%s", channel);
    group_join(engine, &fresh);
    struct notice *waiting = fresh.collected ? waiting_of(engine, fresh.group) : NULL;
    if (waiting) {
        waiting->folded++;
    }
    return waiting != NULL;
}

static void name_in(struct incident *incident, uint64_t leader)
{
    size_t at = 0;
    while (at < TOLD_AS_MAX - 1 && incident->told_as[at] != leader) {
        at++;
    }
    memmove(incident->told_as + 1, incident->told_as, at * sizeof incident->told_as[0]);
    incident->told_as[0] = leader;
}

/* " (w=e1, w=e2 and 3 more)" */
static void name_targets(const struct engine *engine, const struct notice *leader, size_t all,
                         char *ret, size_t size)
{
    size_t named = 0, used = 0;
    for (size_t i = 0; i < engine->notice_count && named < GROUP_NAMES_MAX; i++) {
        const struct notice *notice = engine->notices[i];
        if ((notice == leader || notice->carrier == leader->id) && notice->record.target[0]) {
            const int n = snprintf(ret + used, size - used, "%s%.80s", named++ ? ", " : " (",
                                   notice->record.target);
            used += n > 0 ? (size_t)n : 0;
        }
    }
    if (named > 0) {
        snprintf(ret + used, size - used, all > named ? " and %zu more)" : ")", all - named);
    }
}

void group_gather(struct engine *engine, struct notice *leader)
{
    struct incident *own = incident_of(engine, leader->record.incident);
    size_t all = 1 + leader->folded;
    if (own) {
        own->told_own = true;
    }
    if (!leader->collected) {
        return;
    }
    for (size_t i = 0; i < engine->notice_count; i++) {
        struct notice *notice = engine->notices[i];
        if (notice == leader || notice->group != leader->group || !notice->collected ||
            notice->tries > 0 || notice->carrier != 0) {
            continue;
        }
        struct incident *incident = incident_of(engine, notice->record.incident);
        notice->carrier = leader->id;
        all += 1 + notice->folded;
        if (incident && incident != own) {
            name_in(incident, leader->record.incident);
        }
    }
    window_open(engine, leader->group);
    if (all > 1) {
        char names[TEXT_BYTES / 2 + 64] = "", text[TEXT_BYTES];
        name_targets(engine, leader, all, names, sizeof names);
        snprintf(text, sizeof text, "%zu pages of policy %s%.200s: %.200s", all,
                 leader->record.policy, names, leader->record.text);
        snprintf(leader->record.text, sizeof leader->record.text, "%s", text);
    }
}

void group_release(struct engine *engine, uint64_t carrier)
{
    for (size_t i = 0; i < engine->notice_count; i++) {
        if (engine->notices[i]->carrier == carrier) {
            engine->notices[i]->carrier = 0;
        }
    }
}

/* ---- that it is over ---- */

static bool waits_for_group(const struct engine *engine, const struct notice *notice)
{
    for (size_t i = 0; i < engine->incident_count; i++) {
        for (size_t k = 0; k < TOLD_AS_MAX; k++) {
            if (engine->incidents[i]->told_as[k] == notice->record.incident) {
                return true;
            }
        }
    }
    return false;
}

bool resolved_waits(const struct engine *engine, const struct notice *notice)
{
    if (notice->record.kind != RECORD_OVER) {
        return false;
    }
    for (size_t i = 0; engine->notices[i] != notice; i++) { /* what began it is not delivered yet */
        const struct notice *other = engine->notices[i];
        if (other->record.incident == notice->record.incident &&
            strcmp(other->channel, notice->channel) == 0) {
            return true;
        }
    }
    return waits_for_group(engine, notice);
}

void told_note(struct incident *incident, const char *channel)
{
    const uint64_t name = ledger_name(channel);
    for (size_t i = 0; i < TOLD_CHANNELS_MAX; i++) {
        if (incident->told[i] == name || incident->told[i] == 0) {
            incident->told[i] = name;
            return;
        }
    }
}

static bool was_told(const struct incident *incident, const char *channel)
{
    const uint64_t name = ledger_name(channel);
    for (size_t i = 0; i < TOLD_CHANNELS_MAX; i++) {
        if (incident->told[i] == name) {
            return true;
        }
    }
    return false;
}

static void resolve_at(struct engine *engine, struct incident *incident, const char *channel,
                       const char *reason, struct effects *effects)
{
    char lasted[64];
    duration_print(instant_sub(engine->now, incident->opened), lasted, sizeof lasted);
    engine_record(engine, effects, RECORD_OVER, incident, "over after %s: %.300s", lasted, reason);
    struct record *record = &effects->items[effects->count - 1].record;
    snprintf(record->action, sizeof record->action, "%s", channel);
    record->rung = ++incident->notices;
    const struct record copy = *record;
    engine_notify(engine, &copy, channel, incident->id << 8 | (incident->notices & 0xFF));
}

void incident_resolved(struct engine *engine, struct incident *incident, const char *reason,
                       struct effects *effects)
{
    bool waiting = false;
    for (size_t i = 0; i < engine->notice_count; i++) { /* what still waits is told before that */
        struct notice *notice = engine->notices[i];
        if (notice->record.incident == incident->id && notice->collected && notice->tries == 0 &&
            notice->carrier == 0) {
            notice->next = engine->now;
            waiting = true;
        }
    }
    if (!waiting && !incident->told_own) {
        return;
    }
    for (const struct channel *c = engine->program->channels; c; c = c->next) {
        if (was_told(incident, c->name.text)) {
            resolve_at(engine, incident, c->name.text, reason, effects);
        }
    }
    if (was_told(incident, "")) { /* a policy that names no channel */
        resolve_at(engine, incident, "", reason, effects);
    }
}

/* How the record begins of a page that went out in another one; the incident's number follows. */
void told_text(const struct notice *leader, const struct notice *carried, char *ret, size_t size)
{
    snprintf(ret, size, TOLD_WITH_WORD "%llu: %.400s", (unsigned long long)leader->record.incident,
             carried->record.text);
}

void told_restore(struct incident *incident, const struct record *record)
{
    unsigned long long leader;
    if (sscanf(record->text, TOLD_WITH_WORD "%llu: ", &leader) == 1) {
        name_in(incident, leader);
    } else {
        incident->told_own = true;
    }
}
