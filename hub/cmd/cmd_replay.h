/* cmd_replay: what `gridhub replay` prints: JSON lines on stdout, tables for people on stderr. */
#ifndef GRIDHUB_CMD_REPLAY_H
#define GRIDHUB_CMD_REPLAY_H

#include "replay.h"

struct replay_show {
	const struct replay_request *q;
	const struct replay_result *r;
	const struct replay_difference *diff; /* ndiff 0: nothing to compare */
	size_t ndiff;
	double took_s, cpu_s;
	bool cases; /* each case as a line, too */
};

/* -ENOMEM, or stdout failed. */
must_check int replay_show_json(const struct replay_show *s);
must_check int replay_show_table(const struct replay_show *s);

#endif
