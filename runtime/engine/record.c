/* The table of record kinds. */
#include "runtime/engine/record.h"

#include <string.h>

const struct record_info record_infos[RECORD_KINDS] = {
#define RECORD(name, text, word) [RECORD_##name] = {text, word},
#include "runtime/engine/record.def"
#undef RECORD
};

bool record_has_cause(const char *text, const char *cause)
{
    const size_t word = sizeof CAUSE_WORD - 1, length = strlen(cause);
    return strncmp(text, CAUSE_WORD, word) == 0 && strncmp(text + word, cause, length) == 0 &&
           text[word + length] == ',';
}

bool record_cause(const char *text, char ret[NAME_BYTES])
{
    const size_t word = sizeof CAUSE_WORD - 1;
    ret[0] = '\0';
    if (strncmp(text, CAUSE_WORD, word) != 0) {
        return false;
    }
    const size_t length = strcspn(text + word, ",");
    if (length == 0 || length >= NAME_BYTES || text[word + length] != ',') {
        return false;
    }
    memcpy(ret, text + word, length);
    ret[length] = '\0';
    return true;
}
