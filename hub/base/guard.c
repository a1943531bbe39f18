#include "guard.h"

#include <arpa/inet.h>

#define V4_BITS 96 /* of ::ffff:0:0/96 */
#define HOST_MAX 64

/* Not the public Internet (IANA's special-purpose registries, as of 2025). */
static const struct kind {
	const char *range, *name;
} kinds[] = {
	{"127.0.0.0/8", "this machine's"},
	{"::1/128", "this machine's"},
	{"0.0.0.0/8", "this machine's"},
	{"::/128", "this machine's"},
	{"10.0.0.0/8", "a private"},
	{"172.16.0.0/12", "a private"},
	{"192.168.0.0/16", "a private"},
	{"fc00::/7", "a private"},
	{"169.254.0.0/16", "a link-local"},
	{"fe80::/10", "a link-local"},
	{"100.64.0.0/10", "a carrier's shared"},
	{"192.0.0.0/24", "a reserved"},
	{"192.0.2.0/24", "a documentation"},
	{"198.51.100.0/24", "a documentation"},
	{"203.0.113.0/24", "a documentation"},
	{"2001:db8::/32", "a documentation"},
	{"198.18.0.0/15", "a benchmark"},
	{"224.0.0.0/4", "a multicast"},
	{"ff00::/8", "a multicast"},
	{"240.0.0.0/4", "a reserved"},
	{"64:ff9b:1::/48", "a private translation"},
	{"100::/64", "a discard"},
};

/* IPv6 prefixes that carry an IPv4 address, and the byte at which it stands. */
static const struct carrier {
	const char *range;
	size_t at;
} carriers[] = {{"64:ff9b::/96", 12}, {"2002::/16", 2}, {"::/96", 12}};

static void from_v4(const void *v4, uint8_t ret[static 16])
{
	memset(ret, 0, 10);
	ret[10] = ret[11] = 0xFF;
	memcpy(ret + 12, v4, 4);
}

/* The address in text, without brackets; its own number of bits. 0: not one. */
static unsigned parse_address(const char *text, uint8_t ret[static 16])
{
	struct in_addr v4;
	if (inet_pton(AF_INET, text, &v4) == 1) {
		from_v4(&v4, ret);
		return 32;
	}
	return inet_pton(AF_INET6, text, ret) == 1 ? 128 : 0;
}

static bool in_range(const uint8_t addr[static 16], const struct guard_range *r)
{
	size_t whole = r->bits / 8, rest = r->bits % 8;
	if (memcmp(addr, r->addr, whole) != 0)
		return false;
	return !rest || ((addr[whole] ^ r->addr[whole]) >> (8 - rest)) == 0;
}

int guard_range_parse(struct slice s, struct guard_range *ret, struct err *e)
{
	char text[HOST_MAX];
	int64_t bits = -1;
	const char *slash = s.n ? memchr(s.p, '/', s.n) : NULL;
	size_t n = slash ? (size_t)(slash - s.p) : s.n;
	if (n >= sizeof text)
		return err_set(e, -EINVAL,
			       "not an address or range: expected 10.0.0.0/8 or fd00::/8");
	memcpy(text, s.p ? s.p : "", n);
	text[n] = 0;
	unsigned own = parse_address(text, ret->addr);
	if (slash && slice_to_i64((struct slice){slash + 1, s.n - n - 1}, &bits))
		own = 0;
	if (!own || (slash && (bits < 0 || bits > own)))
		return err_set(
			e, -EINVAL,
			"\"%.*s\" is not an address or range: expected 10.0.0.0/8 or fd00::/8",
			(int)MIN_OF(s.n, (size_t)HOST_MAX), s.p);
	ret->bits = (uint8_t)((slash ? (unsigned)bits : own) + (own == 32 ? V4_BITS : 0));
	for (size_t i = ret->bits; i < 128; i++)
		if (ret->addr[i / 8] >> (7 - i % 8) & 1)
			return err_set(e, -EINVAL, "\"%.*s\" has bits set behind its prefix",
				       SL_FMT(s));
	return 0;
}

static bool in_text_range(const uint8_t addr[static 16], const char *range)
{
	struct guard_range r;
	struct err e;
	return guard_range_parse(slice_of(range), &r, &e) == 0 && in_range(addr, &r);
}

static const char *plain_kind(const uint8_t addr[static 16])
{
	for (size_t i = 0; i < COUNT_OF(kinds); i++)
		if (in_text_range(addr, kinds[i].range))
			return kinds[i].name;
	return NULL;
}

/* What keeps the address, or the one that it carries, from being a public one; NULL: nothing. */
static const char *kind_of(const uint8_t addr[static 16])
{
	const char *kind = plain_kind(addr);
	for (size_t i = 0; i < COUNT_OF(carriers) && !kind; i++) {
		uint8_t inner[16];
		from_v4(addr + carriers[i].at, inner);
		if (in_text_range(addr, carriers[i].range))
			kind = plain_kind(inner);
	}
	return kind;
}

int guard_check(const struct guard *g, const struct sockaddr *sa, socklen_t len, struct err *e)
{
	uint8_t addr[16];
	char text[INET6_ADDRSTRLEN] = "";
	if (sa->sa_family == AF_INET && len >= sizeof(struct sockaddr_in)) {
		struct sockaddr_in in;
		memcpy(&in, sa, sizeof in);
		from_v4(&in.sin_addr, addr);
		inet_ntop(AF_INET, &in.sin_addr, text, sizeof text);
	} else if (sa->sa_family == AF_INET6 && len >= sizeof(struct sockaddr_in6)) {
		struct sockaddr_in6 in;
		memcpy(&in, sa, sizeof in);
		memcpy(addr, &in.sin6_addr, sizeof addr);
		inet_ntop(AF_INET6, &in.sin6_addr, text, sizeof text);
	} else {
		return err_set(e, -EAFNOSUPPORT,
			       "the name leads to an address of an unknown family");
	}
	for (size_t i = 0; i < g->n; i++)
		if (in_range(addr, &g->allowed[i]))
			return 0;
	const char *kind = kind_of(addr);
	return kind ? err_set(e, -EACCES, "the name leads to %s address (%s), which is not allowed",
			      kind, text)
		    : 0;
}

/* Without the brackets of an IPv6 host. */
static bool bare_host(const char *host, char ret[static HOST_MAX])
{
	size_t n = strlen(host);
	bool bracketed = n > 2 && host[0] == '[' && host[n - 1] == ']';
	if (n >= HOST_MAX)
		return false;
	snprintf(ret, HOST_MAX, "%.*s", (int)(bracketed ? n - 2 : n), host + bracketed);
	return true;
}

bool guard_is_loopback(const char *host)
{
	char bare[HOST_MAX];
	uint8_t addr[16];
	if (!bare_host(host, bare))
		return false;
	if (strcasecmp(bare, "localhost") == 0)
		return true;
	return parse_address(bare, addr) &&
	       (in_text_range(addr, "127.0.0.0/8") || in_text_range(addr, "::1/128"));
}

bool guard_is_literal(const char *host)
{
	char bare[HOST_MAX];
	uint8_t addr[16];
	return guard_is_loopback(host) || (bare_host(host, bare) && parse_address(bare, addr));
}
