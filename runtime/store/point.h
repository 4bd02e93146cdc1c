/* Points: the named places where a process of heald may be killed by a test. A point costs one
 * call through a pointer that is NULL outside of tests. */
#ifndef HEAL_RUNTIME_STORE_POINT_H
#define HEAL_RUNTIME_STORE_POINT_H

enum point {
#define POINT(name, text) POINT_##name,
#include "runtime/store/point.def"
#undef POINT
    POINT_COUNT
};

typedef void point_f(void *context, enum point point);

/* Returns the stable text of a point. */
static inline const char *point_text(enum point point)
{
    static const char *const texts[POINT_COUNT] = {
#define POINT(name, text) [POINT_##name] = text,
#include "runtime/store/point.def"
#undef POINT
    };
    return texts[point];
}

#endif
