/* The texts of the points. */
#include "runtime/store/point.h"

#include "lang/base.h"

static const char *const texts[POINT_COUNT] = {
#define POINT(name, text) [POINT_##name] = text,
#include "runtime/store/point.def"
#undef POINT
};

const char *point_text(enum point point)
{
    CHECK(point < POINT_COUNT);
    return texts[point];
}
