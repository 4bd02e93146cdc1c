/* RE2 behind a C face. */
#include "runtime/engine/regex.h"

#include <cstdio>
#include <cstring>
#include <new>
#include <re2/re2.h>

struct regex {
    regex(const char *pattern, const RE2::Options &options) : re(pattern, options) {}
    RE2 re;
};

extern "C" struct regex *regex_new(const char *pattern, char *error, size_t size)
{
    if (std::strlen(pattern) > REGEX_BYTES_MAX) {
        std::snprintf(error, size, "longer than %d bytes", REGEX_BYTES_MAX);
        return nullptr;
    }
    RE2::Options options;
    options.set_log_errors(false);
    options.set_dot_nl(true);
    options.set_max_mem(REGEX_MEMORY_BYTES_MAX);
    struct regex *regex = new (std::nothrow) struct regex(pattern, options);
    if (regex && regex->re.ok()) {
        return regex;
    }
    std::snprintf(error, size, "%s", regex ? regex->re.error().c_str() : "out of memory");
    delete regex;
    return nullptr;
}

extern "C" bool regex_match(const struct regex *regex, const char *text)
{
    return RE2::FullMatch(text, regex->re);
}

extern "C" void regex_free(struct regex *regex)
{
    delete regex;
}
