/* The connectors that carry actions out, and the kinds of channels that tell people: one table
 * each, read by the checks, heald.yaml and the actor alike.
 *
 *     enum connector connector = connector_find("exec");
 *     connector_infos[connector].hand == HAND_EXEC */
#ifndef HEAL_LANG_CONNECTOR_H
#define HEAL_LANG_CONNECTOR_H

#include "lang/base.h"

enum connector {
#define CONNECTOR(name, text, hand, takes, doc) CONNECTOR_##name,
#include "lang/connector.def"
#undef CONNECTOR
    CONNECTOR_COUNT /* none of them */
};

enum hand_kind { HAND_EXEC, HAND_HTTP, HAND_KUBERNETES, HAND_SYSTEMD, HAND_COUNT };

enum connector_takes { TAKES_ARGV, TAKES_REQUEST, TAKES_TARGET };

struct connector_info {
    const char *text;
    enum hand_kind hand;
    enum connector_takes takes;
};
extern const struct connector_info connector_infos[CONNECTOR_COUNT];

/* CONNECTOR_COUNT when there is none of that name. */
enum connector connector_find(const char *text);

/* How a grant's request may be made. */
#define REQUEST_METHODS(METHOD) METHOD(POST) METHOD(PUT) METHOD(PATCH) METHOD(DELETE)
enum request_method {
#define METHOD(name) METHOD_##name,
    REQUEST_METHODS(METHOD)
#undef METHOD
        METHOD_COUNT
};
extern const char *const request_method_texts[METHOD_COUNT];

enum channel_kind {
#define CHANNEL(name, text, doc) CHANNEL_##name,
#include "lang/channel.def"
#undef CHANNEL
    CHANNEL_COUNT /* none of them */
};
extern const char *const channel_texts[CHANNEL_COUNT];

/* CHANNEL_COUNT when there is none of that name. */
enum channel_kind channel_find(const char *text);

#endif
