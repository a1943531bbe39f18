/*
 * look_playlist: what an HLS playlist (RFC 8216) says that a look needs: which streams there are,
 * or which piece is the last, and its number. Pure; reads what strangers send.
 */
#ifndef GRIDHUB_LOOK_PLAYLIST_H
#define GRIDHUB_LOOK_PLAYLIST_H

#include "base.h"

struct look_playlist {
	struct slice variant; /* of a list of streams: the one of least bandwidth; p = NULL: none */
	struct slice last;    /* of a list of pieces: the last; p = NULL: none */
	int64_t sequence;     /* its number */
	int64_t target_us;    /* how long a piece is at most */
	bool ended, encrypted, fragmented; /* fragmented: MP4, not a transport stream */
};

/* Slices lie in text. -EINVAL with e: not a playlist. */
must_check int look_playlist_parse(struct slice text, struct look_playlist *ret, struct err *e);
/* It has not moved for so long that it has no publisher any more. */
bool look_playlist_still(const struct look_playlist *p, int64_t age_us);

#endif
