#include "engine_load.h"

#include "district.h"
#include "log.h"
#include "metrics.h"
#include "pulse.h"
#include "times.h"
#include "zeros.h"

void engine_load_init(struct engine_load *ld, struct intake *in, struct spool *spool)
{
	*ld = (struct engine_load){.in = in, .spool = spool};
	buf_init(&ld->packed, (size_t)2 * RULE_MEMORY_MAX);
	buf_init(&ld->memory, RULE_MEMORY_MAX);
}

void engine_load_done(struct engine_load *ld)
{
	buf_done(&ld->packed);
	buf_done(&ld->memory);
}

typedef int (*row_fn)(struct engine_load *ld, const struct pg_rows *rows, size_t i);

static int for_rows(struct engine_load *ld, const struct pg_rows *rows, row_fn fn)
{
	for (size_t i = 0; rows && i < pg_count(rows); i++) {
		int r = fn(ld, rows, i);
		if (r)
			return r;
	}
	return 0;
}

/* ---- registry ---- */

static int put_grid(struct engine_load *ld, const struct pg_rows *rows, size_t i)
{
	return district_put_grid(ld->in->registry, rows, i);
}

static int put_device(struct engine_load *ld, const struct pg_rows *rows, size_t i)
{
	int64_t id;
	int r = district_put_device(ld->in->registry, rows, i, &id);
	const struct device *known = r < 0 ? NULL : registry_device(ld->in->registry, id);
	if (r == 0 && known)
		return rule_states_watch(ld->in->states, known, pg_i64(rows, i, 10));
	if (known) {
		rule_states_forget(ld->in->states, known);
		registry_remove_device(ld->in->registry, id);
	}
	return r < 0 ? r : 0;
}

int engine_load_registry(struct engine_load *ld, const struct store_changes *c)
{
	int r = for_rows(ld, c->grids, put_grid);
	if (!r)
		r = for_rows(ld, c->devices, put_device);
	size_t cut = r ? 0 : registry_link(ld->in->registry);
	if (cut)
		log_warn("engine", KM("grids without their parent"), KI("grids", cut));
	return r;
}

/* ---- states and memories of rules ---- */

static int restore_rule_state(struct engine_load *ld, const struct pg_rows *rows, size_t i)
{
	const struct device *d = registry_device(ld->in->registry, pg_i64(rows, i, 0));
	struct rule_saved saved = {
		.device_id = pg_i64(rows, i, 0),
		.rule_id = pg_str(rows, i, 1),
		.rule_hash = (uint64_t)pg_i64(rows, i, 2),
		.phase = (enum rule_phase)pg_i64(rows, i, 3),
		.since_us = pg_i64(rows, i, 4),
		.seen_us = pg_i64(rows, i, 5),
		.fields = pg_slice(rows, i, 6),
		.fires = (uint32_t)pg_i64(rows, i, 7),
		.fires_since_us = pg_i64(rows, i, 8),
	};
	return intake_restore(ld->in, &saved, d, times_now_us());
}

/* What no device is known of is another's to forget. */
int engine_load_taken(struct engine_load *ld, const struct pg_rows *rows)
{
	int r = 0;
	for (size_t i = 0; !r && i < pg_count(rows); i++)
		if (registry_device(ld->in->registry, pg_i64(rows, i, 0)))
			r = restore_rule_state(ld, rows, i);
	return r;
}

int engine_load_states(struct engine_load *ld, const struct store_changes *c)
{
	ld->in->district_id = c->district_id;
	ld->last_seq = c->last_seq;
	ld->memory_from_seq = c->memory_from_seq;
	int r = presence_load(&ld->in->presence, c->last_recv_us, c->away);
	return r ? r : for_rows(ld, c->rule_states, restore_rule_state);
}

/* Into ld->memory. -EINVAL: it is not that. */
static int unpack(struct engine_load *ld, struct slice hex)
{
	buf_reset(&ld->packed);
	buf_reset(&ld->memory);
	pg_put_bytea(hex, &ld->packed);
	return ld->packed.failed ? -EINVAL : zeros_unpack(buf_slice(&ld->packed), &ld->memory);
}

static int restore_memory(struct engine_load *ld, const struct pg_rows *rows, size_t i)
{
	const struct device *d = registry_device(ld->in->registry, pg_i64(rows, i, 0));
	if (!d)
		return 0;
	bool same_log = pg_bool(rows, i, 1);
	int r = unpack(ld, pg_slice(rows, i, 2));
	if (!r)
		r = rule_states_restore_memory(ld->in->states, d, buf_slice(&ld->memory), same_log);
	ld->memories += !r;
	ld->foreign += !r && !same_log;
	ld->unreadable += r == -EINVAL;
	return r == -EINVAL ? 0 : r;
}

int engine_load_memories(struct engine_load *ld, const struct store_changes *c)
{
	return for_rows(ld, c->memories, restore_memory);
}

/* ---- the spool's tail ---- */

static void tell_lacks(struct engine_load *ld, const struct spool_stat *st)
{
	ld->missing = spool_between(ld->last_seq, st->first_seq);
	metric_add(M_RECORDS_MISSING, ld->missing);
	if (ld->missing)
		log_error("engine",
			  KM("records are lost: the database was put back further than the spool "
			     "reaches (see spool.keep_percent)"),
			  KI("records", ld->missing), KI("database_at", ld->last_seq),
			  KI("spool_from", st->first_seq));
	if (ld->memory_from_seq && ld->memory_from_seq <= ld->last_seq &&
	    ld->memory_from_seq < st->first_seq)
		log_warn("engine",
			 KM("windows of rules lack records that the spool does not have any more; "
			    "until they have run through, a rule may judge by less than came"),
			 KI("from", ld->memory_from_seq),
			 KI("to", MIN_OF(st->first_seq - 1, ld->last_seq)));
	if (ld->foreign)
		log_warn("engine",
			 KM("memories of rules are from another spool; what came after they were "
			    "saved is not in them"),
			 KI("devices", ld->foreign));
	if (ld->unreadable)
		log_error("engine", KM("memories of rules that cannot be read begin anew"),
			  KI("devices", ld->unreadable));
}

int engine_load_tail(struct engine_load *ld)
{
	struct err e = {0};
	struct spool_record rec;
	struct spool_stat st;
	int64_t began = times_mono_us();
	uint64_t last = ld->last_seq, lacks = ld->memory_from_seq ? ld->memory_from_seq : last + 1;
	uint64_t from = MIN_OF(lacks, last + 1), recalled = 0;
	spool_stat(ld->spool, &st);
	tell_lacks(ld, &st);
	int r = spool_skip_to(ld->spool, last + 1, &e);
	if (!r)
		r = spool_seek(ld->spool, from > DEDUP_WINDOW ? from - DEDUP_WINDOW : 1);
	while (!r && (r = spool_next(ld->spool, &rec)) == 1 && rec.seq <= last) {
		recalled += rec.seq >= from;
		pulse_beat();
		r = intake_recall(ld->in, &rec, from);
	}
	if (r < 0)
		return r;
	log_info("engine", KM("rules remember"), KI("memories", ld->memories),
		 KI("records_seen_again", recalled),
		 KI("ms", (times_mono_us() - began) / TIMES_MS));
	engine_load_done(ld); /* memories come only once */
	return spool_seek(ld->spool, last + 1);
}
