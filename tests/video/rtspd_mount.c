/* What a path means. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rtspd.h"

unsigned mount_changes;
struct mount mount_default = {.clip = "good",
			      .user = "admin",
			      .pass = "secret",
			      .at = AT_NEVER,
			      .sprop = 1,
			      .channel = -1};

/* Names for what is used often; anything else is spelt out: /x/at=setup/do=reset */
static const struct {
	const char *name, *options;
} names[] = {
	{"x", ""},
	{"good", ""},
	{"audio", "audio=1"},
	{"nosprop", "sprop=0"},
	{"basic", "auth=basic"},
	{"digest", "auth=digest"},
	{"qop", "auth=qop"},
	{"single", "single=1"},
	{"loop", "same=1"},
	{"lowfps", "fps=2/join=key"},
	{"jump", "after=3/jump=3600"},
	{"back", "after=3/jump=-3600"},
	{"recode", "after=3/then=other"},
	{"silent", "at=describe/do=silent"},
	{"nopackets", "at=play/do=nopackets"},
	{"nokey", "at=play/do=nokey"},
	{"junk", "at=play/do=junk"},
	{"400", "at=describe/do=400"},
	{"401", "at=describe/do=401"},
	{"403", "at=describe/do=403"},
	{"404", "at=describe/do=404"},
	{"453", "at=setup/do=453"},
	{"454", "at=play/do=454"},
	{"461", "at=setup/do=461"},
	{"500", "at=describe/do=500"},
	{"503", "at=describe/do=503"},
};

static const char *const steps[] = {"accept", "options", "describe", "setup",
				    "play",   "never",	 NULL};
static const char *const acts[] = {"nothing",  "silent",   "status",	 "reset",     "close",
				   "half",     "garbage",  "headers",	 "body",      "drip",
				   "dripbody", "redirect", "hugelength", "hugesdp",   "manymedia",
				   "continue", "asks",	   "tell",	 "elsewhere", "audioonly",
				   "nosdp",    "udp",	   "longname",	 "nopackets", "nokey",
				   "junk",     "stall",	   "driprtp",	 NULL};
static const char *const joins[] = {"now", "wait", "key", NULL};
static const char *const auths[] = {"none", "basic", "digest", "qop", NULL};

static int word(const char *const *words, const char *w)
{
	for (int i = 0; words[i]; i++)
		if (strcmp(words[i], w) == 0)
			return i;
	return -1;
}

static void unescape(char *out, size_t max, const char *p)
{
	size_t n = 0;
	for (unsigned x; *p && n + 1 < max; n++) {
		if (*p == '%' && sscanf(p + 1, "%2x", &x) == 1) {
			out[n] = (char)x;
			p += 3;
		} else {
			out[n] = *p++;
		}
	}
	out[n] = '\0';
}

static bool act_option(struct mount *m, const char *value)
{
	int act = word(acts, value);
	m->status = atoi(value);
	if (m->status >= 100)
		act = ACT_STATUS;
	m->act = act < 0 ? ACT_NONE : (enum act)act;
	return act >= 0;
}

static bool text_option(struct mount *m, const char *key, const char *value)
{
	const struct {
		const char *key;
		char *to;
		size_t max;
	} texts[] = {{"clip", m->clip, sizeof m->clip},
		     {"then", m->then, sizeof m->then},
		     {"user", m->user, sizeof m->user},
		     {"pass", m->pass, sizeof m->pass},
		     {"to", m->to, sizeof m->to}};
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		if (strcmp(texts[i].key, key) == 0) {
			unescape(texts[i].to, texts[i].max, value);
			return true;
		}
	}
	return false;
}

static bool number_option(struct mount *m, const char *key, const char *value)
{
	const struct {
		const char *key;
		double *real;
		int *whole;
	} numbers[] = {{"fps", &m->fps, NULL},	      {"after", &m->after_s, NULL},
		       {"jump", &m->jump_s, NULL},    {"audio", NULL, &m->audio},
		       {"single", NULL, &m->single},  {"same", NULL, &m->same},
		       {"sprop", NULL, &m->sprop},    {"late", NULL, &m->late_ms},
		       {"asks", NULL, &m->asks},      {"flip", NULL, &m->flip},
		       {"channel", NULL, &m->channel}};
	char *end;
	double v = strtod(value, &end);
	if (*end || end == value || !(fabs(v) <= 1e6))
		return false;
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
		if (strcmp(numbers[i].key, key) != 0)
			continue;
		if (numbers[i].real)
			*numbers[i].real = v;
		else
			*numbers[i].whole = (int)v;
		return true;
	}
	return false;
}

bool mount_option(struct mount *m, const char *option)
{
	char key[WORD_MAX];
	const char *eq = strchr(option, '=');
	if (!eq || (size_t)(eq - option) >= sizeof key)
		return false;
	memcpy(key, option, (size_t)(eq - option));
	key[eq - option] = '\0';
	int w = -1;
	if (strcmp(key, "do") == 0)
		return act_option(m, eq + 1);
	if (strcmp(key, "at") == 0 && (w = word(steps, eq + 1)) >= 0)
		m->at = (enum step)w;
	else if (strcmp(key, "join") == 0 && (w = word(joins, eq + 1)) >= 0)
		m->join = (enum join)w;
	else if (strcmp(key, "auth") == 0 && (w = word(auths, eq + 1)) >= 0)
		m->auth = (enum auth)w;
	return w >= 0 || text_option(m, key, eq + 1) || number_option(m, key, eq + 1);
}

/* All the options among the parts of a path; what is none is the camera's name. */
static void options(struct mount *m, const char *path)
{
	char part[URL_MAX];
	while (*path) {
		size_t n = strcspn(path, "/");
		if (n < sizeof part) {
			memcpy(part, path, n);
			part[n] = '\0';
			if (strchr(part, '=') && !mount_option(m, part))
				fprintf(stderr, "rtspd: %s: no such option of a mount\n", part);
		}
		path += n + (path[n] == '/');
	}
}

/* ---- paths that mean something else for now ---- */

#define SETS (1U << 16)

static struct {
	char *path, *to;
} sets[SETS];
static unsigned nsets;

static size_t set_slot(const char *path)
{
	size_t h = 14695981039346656037U;
	for (const char *p = path; *p; p++)
		h = (h ^ (unsigned char)*p) * 1099511628211U;
	h ^= h >> 32;
	while (sets[h % SETS].path && strcmp(sets[h % SETS].path, path) != 0)
		h++;
	return h % SETS;
}

bool mount_set(const char *path, const char *to)
{
	size_t i = set_slot(path);
	if (!sets[i].path) {
		if (nsets >= SETS / 2)
			return false;
		nsets++;
		sets[i].path = strdup(path);
	}
	free(sets[i].to);
	sets[i].to = strcmp(to, "-") == 0 ? NULL : strdup(to);
	mount_changes++;
	return true;
}

bool mount_find(const char *path, struct mount *ret)
{
	size_t i = set_slot(path);
	if (sets[i].path && sets[i].to)
		path = sets[i].to;
	if (*path != '/')
		return false;
	size_t n = strcspn(++path, "/");
	for (i = 0; i < sizeof names / sizeof *names; i++) {
		if (strlen(names[i].name) == n && memcmp(names[i].name, path, n) == 0) {
			*ret = mount_default;
			options(ret, names[i].options);
			options(ret, path + n);
			return true;
		}
	}
	return false;
}
