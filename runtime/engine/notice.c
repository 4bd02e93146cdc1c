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

void engine_notify(struct engine *engine, const struct record *record, const char *channel,
                   uint64_t id)
{
    if (engine->notice_count == ENGINE_NOTICES_MAX) { /* the oldest has had its tries */
        notice_remove(engine, 0);
    }
    struct notice *notice = engine->notices[engine->notice_count++];
    *notice = (struct notice){.id = id, .record = *record};
    snprintf(notice->channel, sizeof notice->channel, "%s", channel ? channel : "");
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
    const struct record copy = *record;
    engine_notify(engine, &copy, channel, incident->id << 8 | (incident->notices & 0xFF));
}

void notices_send(struct engine *engine, struct effects *effects)
{
    for (size_t i = 0; i < engine->notice_count; i++) {
        struct notice *notice = engine->notices[i];
        if (notice->next.ns > engine->now.ns) {
            continue;
        }
        int shift = notice->tries < 6 ? (int)notice->tries : 6;
        double wait = fmin(ldexp(NOTICE_RETRY_S, shift), NOTICE_RETRY_MAX_S);
        notice->next = instant_add(engine->now, duration_seconds(wait));
        notice->tries++;
        struct effect *effect = engine_effect(effects, EFFECT_NOTIFY);
        effect->id = notice->id;
        effect->record = notice->record;
        effect->channel = notice->channel;
    }
}

void engine_page_again(struct engine *engine)
{
    for (size_t i = 0; i < engine->notice_count; i++) {
        engine->notices[i]->next = (struct instant){0};
    }
}

void notice_delivered(struct engine *engine, const struct input *input, struct effects *effects)
{
    for (size_t i = 0; i < engine->notice_count; i++) {
        struct notice *notice = engine->notices[i];
        if (notice->id != input->id || !input->delivered) {
            continue;
        }
        struct record *record = &engine_effect(effects, EFFECT_RECORD)->record;
        *record = notice->record;
        record->kind = RECORD_NOTIFIED;
        record->time = engine->now;
        record->epoch = engine->host->epoch;
        snprintf(record->action, sizeof record->action, "%s", notice->channel);
        notice_remove(engine, i);
        return;
    }
}
