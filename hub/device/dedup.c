#include "dedup.h"

/*
 * DESIGN: a ring of the last fingerprints and an open-addressing set of them, twice for the two
 * signs. Leaving the ring removes from the set by shifting back what stands behind (no marks, so it
 * never degrades).
 */
#define PLACES (DEDUP_WINDOW * 2)

struct seen {
	uint64_t ring[DEDUP_WINDOW];
	uint64_t set[PLACES]; /* 0 = free */
	size_t at;
};

struct dedup {
	struct seen by_packet, by_mark;
};

struct dedup *dedup_new(void)
{
	return mem_new(sizeof(struct dedup));
}

void dedup_free(struct dedup *d)
{
	free(d);
}

static size_t place_of(uint64_t fp)
{
	return (size_t)(fp & (PLACES - 1));
}

static void set_remove(struct seen *s, uint64_t fp)
{
	size_t i = place_of(fp);
	while (s->set[i] && s->set[i] != fp)
		i = (i + 1) & (PLACES - 1);
	if (!s->set[i])
		return;
	for (size_t j = i;;) {
		j = (j + 1) & (PLACES - 1);
		if (!s->set[j])
			break;
		/* What stands at j may move to i if its own place is not between them. */
		if (((j - place_of(s->set[j])) & (PLACES - 1)) >= ((j - i) & (PLACES - 1))) {
			s->set[i] = s->set[j];
			i = j;
		}
	}
	s->set[i] = 0;
}

/* True if it was there; else remember it and forget the oldest. */
static bool seen_before(struct seen *s, uint64_t fp)
{
	fp += !fp;
	size_t i = place_of(fp);
	for (; s->set[i]; i = (i + 1) & (PLACES - 1))
		if (s->set[i] == fp)
			return true;
	if (s->ring[s->at]) {
		set_remove(s, s->ring[s->at]);
		for (i = place_of(fp); s->set[i]; i = (i + 1) & (PLACES - 1))
			;
	}
	s->ring[s->at] = fp;
	s->set[i] = fp;
	s->at = (s->at + 1) % DEDUP_WINDOW;
	return false;
}

static uint64_t fingerprint(const struct spool_record *rec, uint64_t seed)
{
	return hash64(rec->payload, hash64(rec->topic, hash64(rec->source, seed)));
}

bool dedup_record(struct dedup *d, const struct spool_record *rec)
{
	if (!rec->mid)
		return false; /* QoS 0 is never sent again */
	uint64_t fp = fingerprint(rec, (uint64_t)rec->mid + 1);
	bool there = seen_before(&d->by_packet, fp);
	return there && (rec->flags & SPOOL_DUP);
}

bool dedup_marked(struct dedup *d, const struct spool_record *rec)
{
	return seen_before(&d->by_mark, fingerprint(rec, 0));
}
