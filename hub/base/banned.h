/*
 * banned: functions that this project does not use, because each has a form that fails safely
 * (buf_*, slice_to_*, times_*). Including <string.h> and friends first keeps their prototypes
 * intact.
 */
#ifndef GRIDHUB_BANNED_H
#define GRIDHUB_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#pragma GCC poison strcpy strcat strncpy sprintf vsprintf strtok atoi atol gmtime localtime

#endif
