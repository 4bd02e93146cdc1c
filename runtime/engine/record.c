/* The table of record kinds. */
#include "runtime/engine/record.h"

const struct record_info record_infos[RECORD_KINDS] = {
#define RECORD(name, text, word) [RECORD_##name] = {text, word},
#include "runtime/engine/record.def"
#undef RECORD
};
