/* Pages on their way: sent again, with growing pauses, until the actor says that one was delivered.
 */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "runtime/engine/engine_internal.h"

enum { ENGINE_NOTICE_BIT = 63 }; /* ids of pages that belong to no incident */

#define NOTICE_RETRY_S     60.0
#define NOTICE_RETRY_MAX_S 3600.0
#define RESOLVED_PAUSE_S                                                    \
    5.0 /* until it is looked again whether people can hear that it is over \
         */

void notices_init(struct engine *engine)
{
    engine->notice_room = heap_alloc(ENGINE_NOTICES_MAX * sizeof *engine->notice_room);
    for (size_t i = 0; i < ENGINE_NOTICES_MAX; i++) {
        engine->notices[i] = &engine->notice_room[i];
    }
}

const char *policy_channel(const struct policy_run *run)
{
    if (run->policy->escalate.present) {
        return run->policy->escalate.channel.text;
    }
    for (size_t i = 0; i < run->rung_count; i++) {
        if (run->rungs[i] && run->rungs[i]->kind == RUNG_PAGE) {
            return run->rungs[i]->channel.text;
        }
    }
    return "";
}

uint64_t notice_id(struct engine *engine)
{
    return 1ULL << ENGINE_NOTICE_BIT | ++engine->next_notice;
}

void notice_told(struct engine *engine, const struct record *record)
{
    for (size_t i = 0; i < engine->notice_count; i++) {
        const struct notice *notice = engine->notices[i];
        if (notice->record.incident == 0 && strcmp(notice->record.policy, record->policy) == 0 &&
            strcmp(notice->record.text, record->text) == 0) {
            notice_remove(engine, i);
            return;
        }
    }
}

void notice_remove(struct engine *engine, size_t index)
{
    struct notice *notice = engine->notices[index];
    engine->notice_count--;
    memmove(engine->notices + index, engine->notices + index + 1,
            (engine->notice_count - index) * sizeof(struct notice *));
    engine->notices[engine->notice_count] = notice;
}

/* The oldest that was tried gives way, else the oldest; what it carried goes by itself. */
static void make_room(struct engine *engine)
{
    size_t index = 0;
    while (index + 1 < engine->notice_count && engine->notices[index]->tries == 0) {
        index++;
    }
    index = engine->notices[index]->tries > 0 ? index : 0;
    group_release(engine, engine->notices[index]->id);
    notice_remove(engine, index);
}

void engine_notify(struct engine *engine, const struct record *record, const char *channel,
                   uint64_t id)
{
    if (engine->notice_count == ENGINE_NOTICES_MAX) {
        if (group_fold(engine, record, channel ? channel : "")) {
            return;
        }
        make_room(engine);
    }
    struct notice *notice = engine->notices[engine->notice_count++];
    *notice = (struct notice){.id = id, .record = *record};
    snprintf(notice->channel, sizeof notice->channel, "%s", channel ? channel : "");
    group_join(engine, notice);
}

void incident_page(struct engine *engine, struct incident *incident, struct effects *effects,
                   const char *channel, const char *fmt, ...)
{
    char text[TEXT_BYTES];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    engine->counters.escalated++;
    engine_record(engine, effects, RECORD_ESCALATED, incident, "%s", text);
    struct record *record = &effects->items[effects->count - 1].record;
    snprintf(record->action, sizeof record->action, "%s", channel);
    record->rung = ++incident->notices;
    told_note(incident, channel);
    const struct record copy = *record;
    engine_notify(engine, &copy, channel, incident->id << 8 | (incident->notices & 0xFF));
}

void notices_send(struct engine *engine, struct effects *effects)
{
    for (size_t i = 0; i < engine->notice_count; i++) {
        struct notice *notice = engine->notices[i];
        if (notice->carrier != 0 || notice->next.ns > engine->now.ns) {
            continue;
        }
        if (resolved_waits(engine, notice)) {
            notice->next = engine_after(engine, RESOLVED_PAUSE_S);
            continue;
        }
        if (notice->tries == 0 && notice->group != 0) {
            group_gather(engine, notice);
        }
        int shift = notice->tries < 6 ? (int)notice->tries : 6;
        double wait = fmin(ldexp(NOTICE_RETRY_S, shift), NOTICE_RETRY_MAX_S);
        notice->next = instant_add(engine->now, duration_seconds(wait));
        notice->tries++;
        struct effect *effect = engine_effect(effects, EFFECT_NOTIFY);
        effect->id = notice->id;
        effect->record = notice->record;
        effect->channel = notice->channel;
        effect->resolved = notice->record.kind == RECORD_OVER;
    }
}

void engine_page_again(struct engine *engine)
{
    for (size_t i = 0; i < engine->notice_count; i++) {
        engine->notices[i]->next = (struct instant){0};
    }
}

/* "notified" with the channel as its action, so that a restart knows what is still owed. */
static void record_told(struct engine *engine, const struct notice *notice,
                        const struct notice *leader, struct effects *effects)
{
    struct record *record = &engine_effect(effects, EFFECT_RECORD)->record;
    *record = notice->record;
    record->kind = RECORD_NOTIFIED;
    record->time = engine->now;
    record->epoch = engine->host->epoch;
    snprintf(record->action, sizeof record->action, "%s", notice->channel);
    if (leader) {
        told_text(leader, notice, record->text, sizeof record->text);
    }
}

void notice_delivered(struct engine *engine, const struct input *input, struct effects *effects)
{
    size_t at = 0;
    while (at < engine->notice_count && engine->notices[at]->id != input->id) {
        at++;
    }
    if (at == engine->notice_count || !input->delivered) {
        return;
    }
    const struct notice leader = *engine->notices[at];
    record_told(engine, &leader, NULL, effects);
    notice_remove(engine, at);
    for (size_t i = 0; i < engine->notice_count;) {
        if (engine->notices[i]->carrier == leader.id) {
            record_told(engine, engine->notices[i], &leader, effects);
            notice_remove(engine, i);
        } else {
            i++;
        }
    }
}
