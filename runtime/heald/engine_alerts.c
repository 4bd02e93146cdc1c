/* See engine_alerts.h. */
#include "runtime/heald/engine_alerts.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/engine/alert_text.h"
#include "runtime/heald/engine_json.h"

struct page {
    json_t *alerts;
    const struct engine *engine;
    char *text; /* [ALERT_TEXT_BYTES] NULL: without annotations */
    size_t bytes;
};

static void put_text(struct page *page, json_t *object, const char *name, const char *text)
{
    page->bytes += strlen(name) + strlen(text);
    if (json_object_set_new(object, name, json_text(text)) != 0) {
        json_object_set_new(object, "(not UTF-8)", json_text(text));
    }
}

static json_t *labels_json(struct page *page, const struct alert_view *view)
{
    json_t *labels = json_object();
    struct label label;
    for (size_t i = 0; alert_view_label(view, i, &label); i++) {
        put_text(page, labels, label.name, label.value);
    }
    return labels;
}

static json_t *annotations_json(struct page *page, const struct alert_view *view)
{
    json_t *annotations = json_object();
    const char *name = NULL;
    for (size_t i = 0; (name = alert_view_annotation(page->engine, view, i, page->text,
                                                     ALERT_TEXT_BYTES)) != NULL;
         i++) {
        put_text(page, annotations, name, page->text);
    }
    return annotations;
}

static void put_alert(struct page *page, const struct alert_view *view)
{
    json_t *alert =
        json_pack("{s:o, s:s, s:o, s:o, s:o, s:I}", "policy", json_text(view->policy), "state",
                  view->firing ? "firing" : "pending", "since", json_time(view->active_at), "value",
                  json_value(view->value), "labels", labels_json(page, view), "incident",
                  (json_int_t)view->incident);
    if (page->text) {
        json_object_set_new(alert, "annotations", annotations_json(page, view));
    }
    json_array_append_new(page->alerts, alert);
}

static void put_alerts(struct page *page, bool firing, size_t skip)
{
    struct alert_view views[ALERTS_ANSWER_MAX];
    const size_t room = ALERTS_ANSWER_MAX - json_array_size(page->alerts);
    const size_t count = engine_alerts_find(page->engine, firing, skip, views, room);
    for (size_t i = 0; i < count && page->bytes < ALERTS_ANSWER_BYTES_MAX; i++) {
        put_alert(page, &views[i]);
    }
}

json_t *engine_alerts_json(const struct engine *engine, const json_t *request)
{
    const size_t firing = engine_alerts_firing(engine), count = engine_alert_count(engine);
    const json_int_t after = json_integer_value(json_object_get(request, "after"));
    const size_t skip = after <= 0 ? 0 : (size_t)after < count ? (size_t)after : count;
    const bool annotated = json_is_true(json_object_get(request, "annotations"));
    struct page page = {.alerts = json_array(),
                        .engine = engine,
                        .text = annotated ? heap_alloc(ALERT_TEXT_BYTES) : NULL};
    if (skip < firing) {
        put_alerts(&page, true, skip);
    }
    const size_t told = skip + json_array_size(page.alerts);
    if (told >= firing) {
        put_alerts(&page, false, told - firing);
    }
    free(page.text);
    const size_t last = skip + json_array_size(page.alerts);
    return json_pack("{s:I, s:I, s:o, s:I, s:I}", "firing", (json_int_t)firing, "pending",
                     (json_int_t)(count - firing), "alerts", page.alerts, "last", (json_int_t)last,
                     "more", (json_int_t)(count - last));
}
