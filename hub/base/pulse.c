#include "pulse.h"

#include "times.h"

static const char *const names[PULSE_COUNT] = {"engine", "store", "probe"};
static _Atomic int64_t beats[PULSE_COUNT]; /* 0: not watched */
static _Thread_local _Atomic int64_t *mine;

void pulse_enter(enum pulse who)
{
	mine = &beats[who];
	pulse_beat();
}

void pulse_leave(void)
{
	pulse_pause();
	mine = NULL;
}

void pulse_beat(void)
{
	if (mine)
		*mine = times_mono_us();
}

void pulse_pause(void)
{
	if (mine)
		*mine = 0;
}

const char *pulse_stuck(int64_t now_us, int64_t max_us)
{
	for (size_t i = 0; i < PULSE_COUNT; i++) {
		int64_t last = beats[i];
		if (last && now_us - last > max_us)
			return names[i];
	}
	return NULL;
}
