/*
 * baseline: what is usual for one camera, by day and by night: learnt slowly from good looks, put
 * beside what a look measures, so that a rule can say "a quarter of its own usual sharpness". A
 * picture that is at fault teaches nothing; a new view or codec is taken over only when people
 * accept it, or, for what drifts (sharpness, bit rate, frame rate), slowly.
 *
 * Pure: times come in. One owner (the thread of probe_run.h). At most BASELINE_BYTES_MAX a stream
 * as text.
 */
#ifndef GRIDHUB_BASELINE_H
#define GRIDHUB_BASELINE_H

#include "probe.h"

#define BASELINE_BYTES_MAX 4096

struct baseline; /* of one stream */

struct baseline *baseline_new(void); /* NULL: no memory */
void baseline_free(struct baseline *b);
/* Its text, as the database keeps it. -EINVAL: not that; b is as new. */
must_check int baseline_load(struct baseline *b, struct slice json);
void baseline_json(const struct baseline *b, struct buf *out);
/* Forget the picture and the format: what comes next is the new reference ("accept the new view").
 */
void baseline_accept(struct baseline *b);

/*
 * The fields of a reading (rules/fields.yaml) that this result is worth: state, sub-state, cause,
 * times, what came, picture measures, the baseline's values beside them, dhash_distance,
 * block_diff, keyframe_repeats; as a JSON object. Then learn from it. night: of the device's place
 * and time, decided by the caller. changed: the baseline is worth saving.
 */
void baseline_judge(struct baseline *b, const struct probe_result *r, int64_t now_us, bool night,
		    bool ptz, struct buf *out_fields, bool *ret_changed);

#endif
