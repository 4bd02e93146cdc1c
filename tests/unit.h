/* cmocka with the headers it wants before it, in their order. Include this first in every unit
 * test. */
#ifndef HEAL_TESTS_UNIT_H
#define HEAL_TESTS_UNIT_H

/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#endif
