/*
 * baseline: what is usual for one camera, by day and by night: learnt slowly from good looks, put
 * beside what a look measures, so that a rule can say "a quarter of its own usual sharpness". A
 * picture that is at fault teaches nothing; a new view or codec is taken over only when people
 * accept it, or, for what drifts (sharpness, bit rate, frame rate), slowly.
 *
 * Nothing is usual before a few good looks (5 pictures, 3 watches): the fields that compare are
 * missing until then. A camera may have a small stream for glances (keyframe, picture) and a large
 * one to be watched: format and sharpness are kept for each. The night's values are those of the
 * hours that the caller calls night, but a picture that is plainly the other's (infrared that goes
 * on at dusk) is compared with the other's.
 *
 * Pure: times come in. One owner (the thread of probe_run.h). At most BASELINE_BYTES_MAX a stream
 * as text.
 */
#ifndef GRIDHUB_BASELINE_H
#define GRIDHUB_BASELINE_H

#include "probe.h"

#define BASELINE_BYTES_MAX 4096

struct baseline; /* of one stream; about 2 KB */

struct baseline *baseline_new(void); /* NULL: no memory */
void baseline_free(struct baseline *b);
/* Its text, as the database keeps it. -EINVAL: not that; b is as new. -ENOMEM. */
must_check int baseline_load(struct baseline *b, struct slice json);
void baseline_json(const struct baseline *b, struct buf *out);
/* Forget the picture and the format: what comes next is the new reference ("accept the new view").
 */
void baseline_accept(struct baseline *b);

/*
 * The fields of a reading (rules/fields.yaml) that this result is worth: online, sub-state, cause,
 * times, what came, picture measures, the baseline's values beside them, dhash_distance,
 * block_diff, keyframe_same, keyframe_repeats; as a JSON object. Then learn from it. night: of the
 * device's place and time, decided by the caller. changed: the baseline is worth saving (what is
 * lost otherwise is learnt again within hours).
 *
 * `online` and `cause` are the result's: a caller who believes otherwise (a host that is down)
 * changes the result before. Of an unknown state `online` is left out.
 */
void baseline_judge(struct baseline *b, const struct probe_result *r, int64_t now_us, bool night,
		    bool ptz, struct buf *out_fields, bool *ret_changed);

/*
 * Is what was judged last worth a closer look, soon, and its picture as evidence? Its limits are
 * wider than those of rules/camera.yaml on purpose: whatever a rule calls a fault must have been
 * suspicious, also after people have moved the rule's limit a little, and what is suspicious
 * teaches nothing. For the same reason no more than BASELINE_SUSPECT_LOOKS in a row (more than an
 * hour of them): by then the rules have decided, and a camera that always looks odd would be looked
 * at all day.
 */
#define BASELINE_SUSPECT_LOOKS 16
bool baseline_suspect(const struct baseline *b);

#endif
