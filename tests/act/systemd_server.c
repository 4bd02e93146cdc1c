/* A systemd on a bus of its own, that answers as it is told to: systemd_server ADDRESS STATE MODE.
 *
 * Its units: web.service (active), idle.service (inactive), missing.service (not found),
 * alias.service (whose Id is dbus.service). STATE is a file that keeps how often each was started,
 * over deaths of this program. It prints a line for each job that it does.
 *
 *   done      as systemd does             early     JobRemoved before the answer
 *   slow      after half a second         failed    the job ends as failed, the unit too
 *   lie       says done, does nothing     hang      the job never ends
 *   silent    does it, and never answers  never     does nothing, and never answers
 *   error     refuses                     garbage   answers with a number
 *   die       does it, and dies           die-first dies before it does anything
 *   other     another job ends first */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <time.h>
#include <unistd.h>

#include "lang/base.h"

#define SYSTEMD "org.freedesktop.systemd1"
#define ROOT    "/org/freedesktop/systemd1"

enum { UNITS = 4 };
static struct {
    const char *name, *id, *load;
    bool active;
    unsigned starts;
} units[UNITS] = {
    {"web.service", "web.service", "loaded", true, 1},
    {"idle.service", "idle.service", "loaded", false, 0},
    {"missing.service", "missing.service", "not-found", false, 0},
    {"alias.service", "dbus.service", "loaded", true, 1},
};
static const char *mode, *state_file;
static sd_bus *bus;
static unsigned jobs;
static struct {
    uint32_t id;
    int unit;
    char member[32]; /* what is done then; "": nothing */
    int64_t due_ms;  /* 0: none */
} pending;

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static bool is_mode(const char *word)
{
    return strcmp(mode, word) == 0;
}

static void keep(void)
{
    FILE *file = fopen(state_file, "w");
    for (int i = 0; file && i < UNITS; i++) {
        fprintf(file, "%d %u\n", units[i].active, units[i].starts);
    }
    if (file) {
        fclose(file);
    }
}

static void recall(void)
{
    FILE *file = fopen(state_file, "r");
    for (int i = 0; file && i < UNITS; i++) {
        int active = 0;
        if (fscanf(file, "%d %u", &active, &units[i].starts) == 2) {
            units[i].active = active;
        }
    }
    if (file) {
        fclose(file);
    }
}

static int find(const char *name)
{
    int i = 0;
    while (i < UNITS && strcmp(units[i].name, name) != 0) {
        i++;
    }
    return i;
}

static int load_unit(sd_bus_message *m, void *context, sd_bus_error *error)
{
    const char *name = NULL;
    char path[100];
    (void)context;
    (void)error;
    sd_bus_message_read(m, "s", &name);
    int unit = find(name);
    if (unit == UNITS) {
        return sd_bus_reply_method_errorf(m, SYSTEMD ".NoSuchUnit", "Unit %s not found.", name);
    }
    snprintf(path, sizeof path, ROOT "/unit/u%d", unit);
    return sd_bus_reply_method_return(m, "o", path);
}

static int subscribe(sd_bus_message *m, void *context, sd_bus_error *error)
{
    (void)context;
    (void)error;
    return sd_bus_reply_method_return(m, "");
}

static int get_all(sd_bus_message *m, void *context, sd_bus_error *error)
{
    sd_bus_message *reply = NULL;
    unsigned char id[16] = {0};
    int unit = sd_bus_message_get_path(m)[strlen(ROOT "/unit/u")] - '0';
    (void)context;
    (void)error;
    CHECK(unit >= 0 && unit < UNITS);
    id[0] = (unsigned char)(unit + 1);
    memcpy(id + 1, &units[unit].starts, sizeof units[unit].starts);
    bool busy = pending.due_ms && pending.unit == unit;
    sd_bus_message_new_method_return(m, &reply);
    sd_bus_message_open_container(reply, 'a', "{sv}");
    sd_bus_message_append(reply, "{sv}", "Id", "s", units[unit].id);
    sd_bus_message_append(reply, "{sv}", "Names", "as", 1, units[unit].name);
    sd_bus_message_append(reply, "{sv}", "LoadState", "s", units[unit].load);
    sd_bus_message_append(reply, "{sv}", "ActiveState", "s",
                          units[unit].active ? "active" : "inactive");
    sd_bus_message_append(reply, "{sv}", "Job", "(uo)", busy ? pending.id : 0u,
                          busy ? ROOT "/job/1" : "/");
    sd_bus_message_open_container(reply, 'e', "sv");
    sd_bus_message_append(reply, "s", "InvocationID");
    sd_bus_message_open_container(reply, 'v', "ay");
    sd_bus_message_append_array(reply, 'y', id, units[unit].starts ? sizeof id : 0);
    sd_bus_message_close_container(reply);
    sd_bus_message_close_container(reply);
    sd_bus_message_close_container(reply);
    int r = sd_bus_send(NULL, reply, NULL);
    sd_bus_message_unref(reply);
    return r;
}

static void tell_end(uint32_t id, const char *unit, const char *result)
{
    char job[64];
    snprintf(job, sizeof job, ROOT "/job/%u", id);
    sd_bus_emit_signal(bus, ROOT, SYSTEMD ".Manager", "JobRemoved", "uoss", id, job, unit, result);
}

static void do_it(const char *member, int unit)
{
    bool starts = strcmp(member, "RestartUnit") == 0 || strcmp(member, "StartUnit") == 0;
    printf("%s %s\n", member, units[unit].name);
    fflush(stdout);
    units[unit].starts += starts && !is_mode("failed");
    units[unit].active =
        strcmp(member, "StopUnit") != 0 && !is_mode("failed") && (starts || units[unit].active);
    keep();
}

static void end_later(uint32_t id, int unit, const char *member, int64_t after_ms)
{
    pending.id = id;
    pending.unit = unit;
    snprintf(pending.member, sizeof pending.member, "%s", member);
    pending.due_ms = now_ms() + after_ms;
}

static int take_job(sd_bus_message *m, void *context, sd_bus_error *error)
{
    const char *name = NULL, *how = NULL, *member = sd_bus_message_get_member(m);
    char job[64];
    uint32_t id = ++jobs;
    (void)context;
    (void)error;
    sd_bus_message_read(m, "ss", &name, &how);
    int unit = find(name);
    CHECK(unit < UNITS && strcmp(how, "fail") == 0);
    snprintf(job, sizeof job, ROOT "/job/%u", id);
    if (is_mode("die-first")) {
        exit(0);
    }
    if (is_mode("error")) {
        return sd_bus_reply_method_errorf(m, SYSTEMD ".TransactionIsDestructive",
                                          "There is another job.");
    }
    if (is_mode("never")) {
        return 1;
    }
    if (!is_mode("lie") && !is_mode("hang") && !is_mode("slow")) {
        do_it(member, unit);
    }
    if (is_mode("die")) {
        exit(0);
    }
    if (is_mode("silent")) {
        return 1;
    }
    if (is_mode("other")) {
        tell_end(id + 100, "other.service", "failed");
        tell_end(id + 101, name, "failed");
    }
    if (is_mode("early")) {
        tell_end(id, name, "done");
        return sd_bus_reply_method_return(m, "o", job);
    }
    int r = sd_bus_reply_method_return(m, "o", job);
    if (is_mode("hang")) {
        end_later(id, unit, "", 1000000);
    } else if (is_mode("slow")) {
        end_later(id, unit, member, 500);
    } else {
        tell_end(id, name, is_mode("failed") ? "failed" : "done");
    }
    return r;
}

static const sd_bus_vtable manager[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD("Subscribe", "", "", subscribe, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("LoadUnit", "s", "o", load_unit, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("RestartUnit", "ss", "o", take_job, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("StartUnit", "ss", "o", take_job, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("StopUnit", "ss", "o", take_job, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("ReloadUnit", "ss", "o", take_job, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_SIGNAL("JobRemoved", "uoss", 0),
    SD_BUS_VTABLE_END};

/* What is answered here no table of methods checks. */
static int on_message(sd_bus_message *m, void *context, sd_bus_error *error)
{
    if (is_mode("garbage") && sd_bus_message_is_method_call(m, SYSTEMD ".Manager", "RestartUnit")) {
        return sd_bus_reply_method_return(m, "u", 7u) < 0 ? 0 : 1;
    }
    const char *path = sd_bus_message_get_path(m);
    if (path && strncmp(path, ROOT "/unit/u", strlen(ROOT "/unit/u")) == 0 &&
        sd_bus_message_is_method_call(m, "org.freedesktop.DBus.Properties", "GetAll")) {
        return get_all(m, context, error) < 0 ? 0 : 1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    CHECK(argc == 4);
    state_file = argv[2];
    mode = argv[3];
    recall();
    keep();
    CHECK(sd_bus_new(&bus) >= 0 && sd_bus_set_address(bus, argv[1]) >= 0 &&
          sd_bus_set_bus_client(bus, 1) >= 0 && sd_bus_start(bus) >= 0);
    CHECK(sd_bus_add_filter(bus, NULL, on_message, NULL) >= 0);
    CHECK(sd_bus_add_object_vtable(bus, NULL, ROOT, SYSTEMD ".Manager", manager, NULL) >= 0);
    CHECK(sd_bus_request_name(bus, SYSTEMD, 0) >= 0);
    printf("ready\n");
    fflush(stdout);
    while (true) {
        int r = sd_bus_process(bus, NULL);
        if (r < 0) {
            return 1;
        }
        if (pending.due_ms && now_ms() >= pending.due_ms) {
            pending.due_ms = 0;
            if (pending.member[0]) {
                do_it(pending.member, pending.unit);
            }
            tell_end(pending.id, units[pending.unit].name, "done");
        }
        if (r == 0) {
            sd_bus_wait(bus, 20000);
        }
    }
}
