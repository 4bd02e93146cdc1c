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

/* The stable text of a point. */
const char *point_text(enum point point);

#endif
