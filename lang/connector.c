/* The tables of connectors and channels. */
#include "lang/connector.h"

#include <string.h>

const struct connector_info connector_infos[CONNECTOR_COUNT] = {
#define CONNECTOR(name, text, hand, takes, doc) \
    [CONNECTOR_##name] = {text, HAND_##hand, TAKES_##takes},
#include "lang/connector.def"
#undef CONNECTOR
};

const char *const request_method_texts[METHOD_COUNT] = {
#define METHOD(name) #name,
    REQUEST_METHODS(METHOD)
#undef METHOD
};

const char *const channel_texts[CHANNEL_COUNT] = {
#define CHANNEL(name, text, doc) [CHANNEL_##name] = text,
#include "lang/channel.def"
#undef CHANNEL
};

enum connector connector_find(const char *text)
{
    enum connector i = 0;
    while (i < CONNECTOR_COUNT && strcmp(connector_infos[i].text, text) != 0) {
        i++;
    }
    return i;
}

enum channel_kind channel_find(const char *text)
{
    enum channel_kind i = 0;
    while (i < CHANNEL_COUNT && strcmp(channel_texts[i], text) != 0) {
        i++;
    }
    return i;
}
