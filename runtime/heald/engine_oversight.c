/* Answers of the control socket that let a person decide. */
#include "runtime/heald/engine_oversight.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/engine/approval.h"
#include "runtime/heald/engine_json.h"

uint64_t request_id(const struct control_request *request)
{
    const json_t *id = json_object_get(request->args, "id");
    return json_is_integer(id) && json_integer_value(id) > 0 ? (uint64_t)json_integer_value(id) : 0;
}

const char *request_why(const struct control_request *request)
{
    const char *why = json_string_value(json_object_get(request->args, "why"));
    return why ? why : "";
}

/* The plan a request names: exactly eight hexadecimal digits, as they are shown. 0 in *ret without
 * one; false when it is none. */
static bool request_plan(const struct control_request *request, uint32_t *ret)
{
    const json_t *plan = json_object_get(request->args, "plan");
    const char *text = json_string_value(plan);
    *ret = 0;
    if (!plan) {
        return true;
    }
    if (!text || strlen(text) != PLAN_NAME_BYTES - 1 ||
        strspn(text, "0123456789abcdef") != PLAN_NAME_BYTES - 1) {
        return false;
    }
    *ret = (uint32_t)strtoul(text, NULL, 16);
    return *ret != 0;
}

static bool open_incident(const struct engine *engine, uint64_t id, struct incident_view *ret)
{
    for (size_t i = 0; i < engine_incident_count(engine); i++) {
        *ret = engine_incident(engine, i);
        if (ret->id == id) {
            return true;
        }
    }
    return false;
}

static json_t *give_input(struct engine_process *process, const struct input *input,
                          const char *said)
{
    struct waiting_input *waiting =
        engine_input_add(process, input->kind, input->id, input->who, input->text);
    if (!waiting) {
        return control_error(CONTROL_NEGATIVE, "too many words wait; try again");
    }
    waiting->input.uid = input->uid;
    waiting->input.plan = input->plan;
    waiting->input.mode = input->mode;
    snprintf(waiting->policy, sizeof waiting->policy, "%s", input->policy ? input->policy : "");
    waiting->input.policy = waiting->policy;
    return json_pack("{s:s}", "text", said);
}

/* A yes that does not count is handed on too: the core records that it was tried. */
static json_t *approve(struct engine_process *process, struct input *input)
{
    const struct engine *engine = process->generation->engine;
    struct approval_view asked = {0};
    struct incident_view view;
    char why[CONTROL_WHY_BYTES];
    const bool open = open_incident(engine, input->id, &view);
    if (!engine_may_approve(engine, input, why, sizeof why)) {
        json_decref(give_input(process, input, ""));
        return open ? control_error(CONTROL_NEGATIVE, "incident %" PRIu64 ": %s", input->id, why)
                    : control_error(CONTROL_NOT_FOUND, "%s", why);
    }
    const bool first = engine_approval(engine, input->id, &asked) && asked.given + 1 < asked.wanted;
    input->plan =
        asked.plan; /* what is asked now, and nothing that may be asked at the next step */
    return give_input(process, input,
                      first ? "approved by one of two; another person must approve too"
                            : "approved; the trigger is read again before anything is done");
}

json_t *engine_decision_json(struct engine_process *process, const struct control_request *request)
{
    struct incident_view view;
    const bool yes = strcmp(request->command, "approve") == 0;
    struct input input = {
        .kind = yes ? INPUT_APPROVE : INPUT_DENY,
        .id = request_id(request),
        .who = request->user,
        .uid = request->uid,
        .text = request_why(request),
    };
    if (input.id == 0) {
        return control_error(CONTROL_USAGE, "%s needs the id of an incident", request->command);
    }
    if (!request_plan(request, &input.plan)) {
        return control_error(
            CONTROL_USAGE, "a plan is eight digits of 0-9 and a-f, as healctl incidents shows it");
    }
    if (yes) {
        return approve(process, &input);
    }
    if (!open_incident(process->generation->engine, input.id, &view)) {
        return control_error(CONTROL_NOT_FOUND, "no incident %" PRIu64 " is open", input.id);
    }
    if (view.plan[0] == '\0') {
        return control_error(CONTROL_NEGATIVE, "incident %" PRIu64 " awaits no approval: it is %s",
                             input.id, view.state);
    }
    return give_input(process, &input, "denied");
}

json_t *engine_acknowledge_json(struct engine_process *process,
                                const struct control_request *request)
{
    struct incident_view view;
    char why[CONTROL_WHY_BYTES];
    const struct engine *engine = process->generation->engine;
    const struct input input = {.kind = INPUT_ACKNOWLEDGE,
                                .id = request_id(request),
                                .who = request->user,
                                .uid = request->uid,
                                .text = request_why(request)};
    if (input.id == 0) {
        return control_error(CONTROL_USAGE, "ack needs the id of an incident");
    }
    if (!engine_may_acknowledge(engine, &input, why, sizeof why)) {
        return control_error(open_incident(engine, input.id, &view) ? CONTROL_NEGATIVE
                                                                    : CONTROL_NOT_FOUND,
                             "%s", why);
    }
    return give_input(process, &input, "acknowledged: nobody else is told until it is held anew");
}

/* ---- modes ---- */

static bool find_policy(const struct engine *engine, const char *name, struct policy_view *ret)
{
    for (size_t i = 0; i < engine_policy_count(engine); i++) {
        *ret = engine_policy(engine, i);
        if (strcmp(ret->name, name) == 0) {
            return true;
        }
    }
    return false;
}

static bool read_mode(const char *text, enum mode *ret)
{
    for (*ret = MODE_SHADOW; *ret <= MODE_ACT; ++*ret) {
        if (strcmp(text, mode_texts[*ret]) == 0) {
            return true;
        }
    }
    return false;
}

json_t *engine_mode_json(struct engine_process *process, const struct control_request *request)
{
    struct policy_view view;
    char why[CONTROL_WHY_BYTES];
    const struct engine *engine = process->generation->engine;
    const char *policy = json_string_value(json_object_get(request->args, "policy"));
    const json_t *wanted = json_object_get(request->args, "mode");
    struct input input = {.kind = INPUT_MODE,
                          .policy = policy,
                          .who = request->user,
                          .uid = request->uid,
                          .text = request_why(request)};
    if (!policy) {
        return control_error(CONTROL_USAGE, "mode needs the name of a policy");
    }
    if (!find_policy(engine, policy, &view)) {
        return control_error(CONTROL_NOT_FOUND, "there is no policy '%.63s'", policy);
    }
    if (!wanted) {
        return json_pack("{s:o, s:s, s:s, s:o}", "policy", json_text(view.name), "mode",
                         mode_texts[view.mode], "ceiling", mode_texts[view.ceiling], "why",
                         json_text(view.mode_why));
    }
    if (!json_is_string(wanted) || !read_mode(json_string_value(wanted), &input.mode)) {
        return control_error(CONTROL_USAGE, "a mode is shadow, ask or act");
    }
    if (!engine_may_set_mode(engine, &input, why, sizeof why)) {
        return control_error(input.text[0] ? CONTROL_NEGATIVE : CONTROL_USAGE, "%s", why);
    }
    snprintf(why, sizeof why, "%s: %s -> %s", view.name, mode_texts[view.mode],
             mode_texts[input.mode]);
    return give_input(process, &input, why);
}
