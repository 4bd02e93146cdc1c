/* RE2 behind a C face. */
#include "runtime/engine/regex.h"

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <new>
#include <re2/re2.h>
#include <string>
#include <vector>

struct regex {
    regex(const char *pattern, const RE2::Options &options) : re(pattern, options)
    {
    }
    RE2 re;
};

static struct regex *regex_make(const char *pattern, bool dot_nl, char *error, size_t size)
{
    if (std::strlen(pattern) > REGEX_BYTES_MAX) {
        std::snprintf(error, size, "longer than %d bytes", REGEX_BYTES_MAX);
        return nullptr;
    }
    RE2::Options options;
    options.set_log_errors(false);
    options.set_dot_nl(dot_nl);
    options.set_max_mem(REGEX_MEMORY_BYTES_MAX);
    struct regex *regex = new (std::nothrow) struct regex(pattern, options);
    if (regex && regex->re.ok()) {
        return regex;
    }
    std::snprintf(error, size, "%s", regex ? regex->re.error().c_str() : "out of memory");
    delete regex;
    return nullptr;
}

extern "C" struct regex *regex_new(const char *pattern, char *error, size_t size)
{
    return regex_make(pattern, true, error, size);
}

extern "C" struct regex *regex_new_search(const char *pattern, char *error, size_t size)
{
    return regex_make(pattern, false, error, size);
}

extern "C" bool regex_match(const struct regex *regex, const char *text)
{
    return RE2::FullMatch(text, regex->re);
}

namespace
{

bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* The group of this name or number; -1 when there is none. */
int group_named(const RE2 &re, const std::string &name)
{
    bool digits = !name.empty() && name.size() < 9;
    for (char c : name) {
        digits = digits && c >= '0' && c <= '9';
    }
    if (digits) {
        int group = std::stoi(name);
        return group <= re.NumberOfCapturingGroups() ? group : -1;
    }
    auto found = re.NamedCapturingGroups().find(name);
    return found == re.NamedCapturingGroups().end() ? -1 : found->second;
}

/* The name behind a dollar; false when what stands there is none, and the dollar is one. */
bool take_name(const char *&at, std::string &name)
{
    const bool braces = *at == '{';
    const char *start = at + braces, *end = start;
    while (is_word(*end)) {
        end++;
    }
    if (end == start || (braces && *end != '}')) {
        return false;
    }
    name.assign(start, end);
    at = end + braces;
    return true;
}

} // namespace

extern "C" bool regex_expand(const struct regex *regex, const char *text, const char *replacement,
                             char *ret, size_t size)
{
    const int groups = regex->re.NumberOfCapturingGroups() + 1;
    std::vector<re2::StringPiece> found(static_cast<size_t>(groups));
    std::string out, name;
    if (!regex->re.Match(text, 0, std::strlen(text), RE2::ANCHOR_BOTH, found.data(), groups)) {
        return false;
    }
    for (const char *at = replacement; *at && out.size() < size;) {
        if (*at != '$') {
            out.push_back(*at++);
        } else if (*++at == '$') {
            out.push_back(*at++);
        } else if (take_name(at, name)) {
            const int group = group_named(regex->re, name);
            if (group >= 0) {
                out.append(found[static_cast<size_t>(group)].data()
                               ? found[static_cast<size_t>(group)].as_string()
                               : std::string());
            }
        } else {
            out.push_back('$');
        }
    }
    std::snprintf(ret, size, "%s", out.c_str());
    return true;
}

extern "C" void regex_free(struct regex *regex)
{
    delete regex;
}

extern "C" bool regex_search(const struct regex *regex, const char *text, size_t length,
                             size_t from, struct regex_span *spans, size_t count)
{
    re2::StringPiece groups[REGEX_GROUPS_MAX + 1];
    count = count > REGEX_GROUPS_MAX + 1 ? REGEX_GROUPS_MAX + 1 : count;
    if (!regex->re.Match(re2::StringPiece(text, length), from, length, RE2::UNANCHORED, groups,
                         static_cast<int>(count))) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        bool taken = groups[i].data() != nullptr;
        spans[i].start = taken ? static_cast<size_t>(groups[i].data() - text) : SIZE_MAX;
        spans[i].end = taken ? spans[i].start + groups[i].size() : SIZE_MAX;
    }
    return true;
}

extern "C" size_t regex_groups(const struct regex *regex)
{
    return static_cast<size_t>(regex->re.NumberOfCapturingGroups());
}

extern "C" size_t regex_group_named(const struct regex *regex, const char *name)
{
    const auto &names = regex->re.NamedCapturingGroups();
    auto found = names.find(name);
    return found == names.end() ? 0 : static_cast<size_t>(found->second);
}
