/*
 * DESIGN: a table of names under one lock. An entry is asked for by at most one resolver thread at
 * a time, whoever else wants it waits for the same answer. A thread is started when a name waits
 * and none is idle, up to THREADS_MAX, and ends after a while without work, detached: one that
 * hangs in a name server holds nobody else up but by its number. Entries are never freed, only
 * reused: the oldest that nobody waits for.
 */
#include "look_resolve.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <pthread.h>
#include <strings.h>

#include "look_url.h"
#include "times.h"

#define NAMES_MAX 4096
#define THREADS_MAX 8
#define FRESH_US TIMES_MIN
#define FRESH_BAD_US (5 * TIMES_SEC)
#define STALE_US TIMES_HOUR
#define IDLE_US (30 * TIMES_SEC)
#define STACK ((size_t)256 << 10)

enum state { IDLE, QUEUED, ASKED };

struct name {
	char host[LOOK_HOST_MAX];
	struct look_address addr[LOOK_ADDRESSES_MAX];
	size_t n;	  /* 0: the last answer was that there is none */
	int64_t at_us;	  /* of the last answer that counts; 0: never */
	int64_t tried_us; /* when the last attempt ended */
	int error;	  /* of that */
	enum state state;
	unsigned waiting;
	struct name *next; /* in the queue */
};

/* The one pool of this process: names are the same for all. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t work, done;
	struct name *name[NAMES_MAX];
	size_t n, hand; /* hand: where the search for one to reuse goes on */
	struct name *head, **tail;
	unsigned threads, idle;
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER};
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void init(void)
{
	times_cond_init(&pool.work);
	times_cond_init(&pool.done);
	pool.tail = &pool.head;
}

/* ---- the threads ---- */

static int ask(const char *host, struct look_address *ret, size_t *ret_n)
{
	struct addrinfo hints = {.ai_family = AF_UNSPEC,
				 .ai_socktype = SOCK_STREAM,
				 .ai_flags = AI_ADDRCONFIG},
			*found = NULL;
	size_t n = 0;
	int r = getaddrinfo(host, NULL, &hints, &found);
	if (r == EAI_NONAME || r == EAI_NODATA || r == EAI_FAIL || r == EAI_ADDRFAMILY)
		return -ENOENT;
	if (r)
		return r == EAI_MEMORY ? -ENOMEM : -EAGAIN;
	for (struct addrinfo *a = found; a && n < LOOK_ADDRESSES_MAX; a = a->ai_next) {
		if (a->ai_addrlen > sizeof ret[n].sa)
			continue;
		memcpy(&ret[n].sa, a->ai_addr, a->ai_addrlen);
		ret[n++].len = a->ai_addrlen;
	}
	freeaddrinfo(found);
	*ret_n = n;
	return n ? 0 : -ENOENT;
}

static struct name *take(void)
{
	struct name *n = pool.head;
	if (!n)
		return NULL;
	pool.head = n->next;
	if (!pool.head)
		pool.tail = &pool.head;
	n->next = NULL;
	n->state = ASKED;
	return n;
}

static void answer(struct name *n, int r, const struct look_address *addr, size_t count)
{
	n->tried_us = times_mono_us();
	n->error = r;
	if (r == 0 || r == -ENOENT) {
		n->at_us = n->tried_us;
		n->n = count;
		memcpy(n->addr, addr, count * sizeof *addr);
	}
	n->state = IDLE;
	pthread_cond_broadcast(&pool.done);
}

/* The next name; NULL: none came for a while. */
static struct name *wait_for_work(void)
{
	struct name *n;
	struct timespec until = times_mono_in(IDLE_US);
	while (!(n = take())) {
		pool.idle++;
		int r = pthread_cond_timedwait(&pool.work, &pool.lock, &until);
		pool.idle--;
		if (r == ETIMEDOUT && !pool.head)
			return NULL;
	}
	return n;
}

static void *resolver(void *arg)
{
	struct name *n;
	pthread_mutex_lock(&pool.lock);
	while ((n = wait_for_work())) {
		struct look_address addr[LOOK_ADDRESSES_MAX];
		char host[LOOK_HOST_MAX];
		size_t count = 0;
		memcpy(host, n->host, sizeof host);
		pthread_mutex_unlock(&pool.lock);
		int r = ask(host, addr, &count);
		pthread_mutex_lock(&pool.lock);
		answer(n, r, addr, count);
	}
	pool.threads--;
	pthread_mutex_unlock(&pool.lock);
	return arg;
}

static int start_thread(void)
{
	pthread_t thread;
	pthread_attr_t attr;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	int r = pthread_create(&thread, &attr, resolver, NULL);
	pthread_attr_destroy(&attr);
	if (r == 0)
		pool.threads++;
	return -r;
}

/* ---- those who ask ---- */

static struct name *reuse(const char *host)
{
	struct name *n = NULL;
	if (pool.n < NAMES_MAX) {
		n = mem_new(sizeof *n);
		if (n)
			pool.name[pool.n++] = n;
	}
	for (size_t i = 0; i < pool.n && !n; i++) {
		struct name *old = pool.name[pool.hand++ % pool.n];
		if (old->state == IDLE && !old->waiting)
			n = old;
	}
	if (!n)
		return NULL;
	*n = (struct name){0};
	snprintf(n->host, sizeof n->host, "%s", host);
	return n;
}

static struct name *find(const char *host)
{
	for (size_t i = 0; i < pool.n; i++)
		if (strcasecmp(pool.name[i]->host, host) == 0)
			return pool.name[i];
	return reuse(host);
}

static int enqueue(struct name *n)
{
	if (!pool.idle && pool.threads < THREADS_MAX && start_thread() && !pool.threads)
		return -EAGAIN;
	n->state = QUEUED;
	n->next = NULL;
	*pool.tail = n;
	pool.tail = &n->next;
	pthread_cond_signal(&pool.work);
	return 0;
}

static bool fresh(const struct name *n, int64_t now_us)
{
	if (n->tried_us && n->error && now_us - n->tried_us < FRESH_BAD_US)
		return true;
	return n->at_us && !n->error && now_us - n->at_us < FRESH_US;
}

static int wait_for(struct name *n, int64_t end_us)
{
	while (n->state != IDLE) {
		int64_t left = end_us - times_mono_us();
		struct timespec until = times_mono_in(MAX_OF(left, 0));
		if (left <= 0)
			return -ETIMEDOUT;
		pthread_cond_timedwait(&pool.done, &pool.lock, &until);
	}
	return n->error;
}

static int copy(const struct name *n, struct look_address *ret, size_t *ret_n)
{
	memcpy(ret, n->addr, n->n * sizeof *ret);
	*ret_n = n->n;
	return 0;
}

static int resolve(const char *host, int64_t end_us, struct look_address *ret, size_t *ret_n)
{
	struct name *n = find(host);
	int r = n ? 0 : -EAGAIN;
	if (!n)
		return r;
	n->waiting++;
	if (n->state == IDLE && !fresh(n, times_mono_us()))
		r = enqueue(n);
	if (!r)
		r = wait_for(n, end_us);
	/* No name server answers: what it said before is likely right still. */
	bool stale = r && r != -ENOENT && n->n && times_mono_us() - n->at_us < STALE_US;
	if (!r || stale)
		r = copy(n, ret, ret_n);
	n->waiting--;
	return r;
}

static bool literal(const char *host, struct look_address *ret)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
	if (inet_pton(AF_INET, host, &v4.sin_addr) == 1) {
		memcpy(&ret->sa, &v4, sizeof v4);
		ret->len = sizeof v4;
		return true;
	}
	if (inet_pton(AF_INET6, host, &v6.sin6_addr) != 1)
		return false;
	memcpy(&ret->sa, &v6, sizeof v6);
	ret->len = sizeof v6;
	return true;
}

int look_resolve(const char *host, int64_t end_us, struct look_address *ret, size_t *ret_n)
{
	if (literal(host, ret)) {
		*ret_n = 1;
		return 0;
	}
	pthread_once(&once, init);
	pthread_mutex_lock(&pool.lock);
	int r = resolve(host, end_us, ret, ret_n);
	pthread_mutex_unlock(&pool.lock);
	return r;
}

/* ---- addresses ---- */

void look_address_set_port(struct look_address *a, unsigned port)
{
	in_port_t p = htons((uint16_t)port);
	size_t at = a->sa.ss_family == AF_INET ? offsetof(struct sockaddr_in, sin_port)
					       : offsetof(struct sockaddr_in6, sin6_port);
	memcpy((char *)&a->sa + at, &p, sizeof p);
}

void look_address_text(const struct look_address *a, unsigned port, char *ret, size_t size)
{
	char text[INET6_ADDRSTRLEN] = "?";
	bool v6 = a->sa.ss_family == AF_INET6;
	size_t at = v6 ? offsetof(struct sockaddr_in6, sin6_addr)
		       : offsetof(struct sockaddr_in, sin_addr);
	inet_ntop(a->sa.ss_family, (const char *)&a->sa + at, text, sizeof text);
	snprintf(ret, size, v6 ? "[%s]:%u" : "%s:%u", text, port);
}
