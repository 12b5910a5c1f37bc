// SPDX-License-Identifier: GPL-2.0-only
/* The longest name that a module can have. */
#include "zoo_timer_static.c"
