/* Where heald_crash dies: HEAL_CRASH=process:point:count kills the process with SIGKILL at the
 * count-th time it comes to the point. Only heald_crash is built with it; heald is not.
 *
 * HEAL_CRASH_MARK is a file in the state folder: its existence tells that it happened, so that the
 * process that follows lives. HEAL_CRASH_TRACE is a folder: a file PROCESS in it counts, one line
 * a point, where the process came along. */
#ifndef HEAL_TESTS_FAULT_CRASH_POINT_H
#define HEAL_TESTS_FAULT_CRASH_POINT_H

#include "runtime/store/point.h"

/* Reads the environment; role is this process. Call it before the cage closes. */
void crash_point_open(const char *role);
point_f crash_point;

#endif
