/* What a unit is called, and the properties that say how it is. */
#include "runtime/act/systemd_unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-login.h>

#include "runtime/act/grant.h"

/* ---- properties ---- */

static int read_word(sd_bus_message *m, char *ret, size_t size)
{
    const char *text = NULL;
    int r = sd_bus_message_read(m, "v", "s", &text);
    if (r >= 0) {
        snprintf(ret, size, "%s", text);
    }
    return r;
}

static int read_invocation(sd_bus_message *m, char ret[UNIT_INVOCATION_BYTES])
{
    const void *bytes = NULL;
    size_t size = 0;
    int r = sd_bus_message_enter_container(m, 'v', "ay");
    r = r < 0 ? r : sd_bus_message_read_array(m, 'y', &bytes, &size);
    for (size_t i = 0; r >= 0 && i < size && i < (UNIT_INVOCATION_BYTES - 1) / 2; i++) {
        snprintf(ret + 2 * i, 3, "%02x", ((const unsigned char *)bytes)[i]);
    }
    return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int read_job(sd_bus_message *m, bool *ret)
{
    uint32_t id = 0;
    const char *path = NULL;
    int r = sd_bus_message_read(m, "v", "(uo)", &id, &path);
    *ret = id != 0;
    return r;
}

static int read_property(sd_bus_message *m, struct systemd_unit *ret)
{
    const char *name = NULL;
    int r = sd_bus_message_read(m, "s", &name);
    if (r < 0) {
        return r;
    }
    return strcmp(name, "Id") == 0             ? read_word(m, ret->id, sizeof ret->id)
           : strcmp(name, "LoadState") == 0    ? read_word(m, ret->load, sizeof ret->load)
           : strcmp(name, "ActiveState") == 0  ? read_word(m, ret->active, sizeof ret->active)
           : strcmp(name, "InvocationID") == 0 ? read_invocation(m, ret->invocation)
           : strcmp(name, "Job") == 0          ? read_job(m, &ret->has_job)
                                               : sd_bus_message_skip(m, "v");
}

bool systemd_unit_read(sd_bus_message *m, struct systemd_unit *ret)
{
    memset(ret, 0, sizeof *ret);
    int r = sd_bus_message_enter_container(m, 'a', "{sv}");
    while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
        r = read_property(m, ret);
        r = r < 0 ? r : sd_bus_message_exit_container(m);
    }
    return r >= 0 && ret->id[0] && ret->load[0] && ret->active[0];
}

/* ---- names ---- */

bool systemd_unit_is_own(const char *unit)
{
    static const char *const never[] = {"dbus.service", "dbus-broker.service", "dbus.socket",
                                        "init.scope"};
    char *own = NULL;
    bool found = sd_pid_get_unit(0, &own) >= 0 && strcmp(own, unit) == 0;
    free(own);
    for (size_t i = 0; i < ARRAY_LEN(never); i++) {
        found = found || strcmp(never[i], unit) == 0;
    }
    return found;
}

/* Of a kind that something runs by, and of the characters that systemd takes. */
static bool is_unit(const char *text, size_t length)
{
    static const char *const kinds[] = {".service", ".socket", ".timer", ".path"};
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:-_.\\@";
    bool known = false;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        size_t end = strlen(kinds[i]);
        known = known || (length > end && memcmp(text + length - end, kinds[i], end) == 0 &&
                          text[length - end - 1] != '@'); /* a template is no unit */
    }
    return known && length < UNIT_NAME_BYTES && text[0] != '-' && text[0] != '@' &&
           text[0] != '.' && strspn(text, plain) >= length;
}

enum status systemd_unit_name(const char *target, char ret[UNIT_NAME_BYTES], struct error *error)
{
    size_t length = 0;
    const char *name = grant_label(target, "unit", 4, &length);
    if (!name || !is_unit(name, length)) {
        return error_set(error, STATUS_DENIED,
                         "'%.200s' names no unit: unit=NAME.service, .socket, .timer or .path",
                         target);
    }
    snprintf(ret, UNIT_NAME_BYTES, "%.*s", (int)length, name);
    return systemd_unit_is_own(ret)
               ? error_set(error, STATUS_DENIED, "%s is heald's own, or what it speaks over", ret)
               : STATUS_OK;
}
