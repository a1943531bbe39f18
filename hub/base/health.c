#include "health.h"

#include <pthread.h>

#include "json.h"
#include "times.h"

#define WHY_MAX 200

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static struct part {
	enum health_state state;
	int64_t since_us;
	char why[WHY_MAX + 1];
} parts[HEALTH_PARTS];

static const char *const part_names[] = {"mqtt",  "spool",  "database", "engine",
					 "rules", "notify", "probe"};
_Static_assert(COUNT_OF(part_names) == HEALTH_PARTS, "each has a name");
static const char *const state_names[] = {"starting", "ok", "degraded"};

void health_set(enum health_part part, enum health_state state, const char *why)
{
	int64_t now = times_now_us();
	pthread_mutex_lock(&lock);
	struct part *p = &parts[part];
	if (p->state != state || !p->since_us)
		p->since_us = now;
	p->state = state;
	snprintf(p->why, sizeof p->why, "%s", why ? why : "");
	pthread_mutex_unlock(&lock);
}

enum health_state health_write(struct buf *out)
{
	struct part copy[HEALTH_PARTS];
	enum health_state worst = HEALTH_OK;
	pthread_mutex_lock(&lock);
	memcpy(copy, parts, sizeof copy);
	pthread_mutex_unlock(&lock);
	for (size_t i = 0; i < HEALTH_PARTS; i++) {
		if (copy[i].state == HEALTH_DEGRADED)
			worst = HEALTH_DEGRADED;
		else if (copy[i].state == HEALTH_STARTING && worst == HEALTH_OK)
			worst = HEALTH_STARTING;
	}
	buf_printf(out, "{\"status\":\"%s\",\"parts\":{", state_names[worst]);
	for (size_t i = 0; i < HEALTH_PARTS; i++) {
		char ts[TIMES_RFC3339_MAX];
		times_format(copy[i].since_us, ts);
		json_put_key(out, part_names[i]);
		buf_printf(out, "{\"status\":\"%s\",\"since\":", state_names[copy[i].state]);
		if (copy[i].since_us)
			json_put_str(out, slice_of(ts));
		else
			buf_puts(out, "null");
		if (copy[i].why[0]) {
			json_put_key(out, "why");
			json_put_str(out, slice_of(copy[i].why));
		}
		buf_putc(out, '}');
	}
	buf_puts(out, "}}\n");
	return worst;
}

void health_metrics(struct buf *out)
{
	buf_puts(out, "# HELP gridhub_part_degraded 1: this part of the hub does not do what it "
		      "should (/health says why)\n# TYPE gridhub_part_degraded gauge\n");
	for (size_t i = 0; i < HEALTH_PARTS; i++)
		buf_printf(out, "gridhub_part_degraded{part=\"%s\"} %d\n", part_names[i],
			   health_get((enum health_part)i) == HEALTH_DEGRADED);
}

void health_brief(struct buf *out)
{
	size_t n = 0;
	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < HEALTH_PARTS; i++) {
		const struct part *p = &parts[i];
		if (p->state == HEALTH_OK)
			continue;
		buf_printf(out, "%s%s %s%s%s", n++ ? "; " : "", part_names[i],
			   state_names[p->state], p->why[0] ? ": " : "", p->why);
	}
	pthread_mutex_unlock(&lock);
	if (!n)
		buf_puts(out, "ok");
}

enum health_state health_get(enum health_part part)
{
	pthread_mutex_lock(&lock);
	enum health_state state = parts[part].state;
	pthread_mutex_unlock(&lock);
	return state;
}
