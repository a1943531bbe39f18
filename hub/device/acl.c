#include "acl.h"

#include "crypto.h"
#include "route.h"

/* mosquitto's own number. What is hashed are 256 random bits, which nobody guesses however cheap it
 * is. */
#define ROUNDS 101
#define SALT_BYTES 12 /* mosquitto takes no other length */

static struct slice first_level(struct slice filter)
{
	struct slice rest = route_without_share(filter), level = {0};
	slice_cut(&rest, '/', &level);
	return level;
}

/* In a file of lines, where ':' ends a name of the one and '#' begins a comment of both. */
static bool is_name(struct slice s)
{
	if (!s.n || s.n > 255 || s.p[0] == '#' || s.p[0] == ' ' || s.p[s.n - 1] == ' ')
		return false;
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < ' ' || s.p[i] == 0x7f || s.p[i] == ':')
			return false;
	return true;
}

/* One level of a topic, and no wildcard. */
static bool is_level(struct slice s)
{
	return is_name(s) && !memchr(s.p, '/', s.n) && !memchr(s.p, '+', s.n) &&
	       !memchr(s.p, '#', s.n);
}

static const struct device_adapter *adapter_of(const struct subscription_conf *s)
{
	return device_adapter_find(slice_of(s->adapter));
}

static bool is_gateway(const struct subscription_conf *s)
{
	const struct device_adapter *a = adapter_of(s);
	return a && !a->own_topics;
}

/* Whoever has such a name would be let do what the hub or a gateway may. */
static bool is_taken(const struct broker_conf *b, struct slice name)
{
	if (b->username && slice_is(name, b->username))
		return true;
	for (size_t i = 0; i < b->nsubs; i++)
		if (is_gateway(&b->subs[i]) &&
		    slice_eq(name, first_level(slice_of(b->subs[i].topic))))
			return true;
	return false;
}

static bool takes(const struct broker_conf *b, const struct device_adapter *a)
{
	for (size_t i = 0; i < b->nsubs; i++)
		if (adapter_of(&b->subs[i]) == a)
			return true;
	return false;
}

int acl_device(const struct broker_conf *b, struct slice name, struct slice adapter,
	       enum device_class class, struct slice address, struct err *e, struct acl_user *ret)
{
	const struct device_adapter *a = device_adapter_find(adapter);
	if (!a || !a->own_topics || !takes(b, a))
		return -ENOENT;
	if (!is_name(name))
		return err_set(
			e, -EINVAL,
			"device \"%.*s\": its id cannot be a user name of the broker: no ':', "
			"no '#' in front",
			(int)name.n, name.p);
	if (!is_level(address))
		return err_set(e, -EINVAL,
			       "device \"%.*s\": its address \"%.*s\" is no level of a topic",
			       (int)name.n, name.p, (int)address.n, address.p);
	if (is_taken(b, name))
		return err_set(e, -EINVAL,
			       "device \"%.*s\": the hub or a gateway has that user name",
			       (int)name.n, name.p);
	*ret = (struct acl_user){name, a, class, address};
	return 0;
}

int acl_gateway(const struct broker_conf *b, size_t subscription, struct err *e,
		struct acl_user *ret)
{
	const struct subscription_conf *s = &b->subs[subscription];
	struct slice name = first_level(slice_of(s->topic));
	if (!is_gateway(s))
		return -ENOENT;
	if (!is_level(name) || (b->username && slice_is(name, b->username)))
		return err_set(e, -EINVAL,
			       "broker %s: \"%s\" does not begin with a level that can be the user "
			       "name of the gateway",
			       b->name, s->topic);
	for (size_t i = 0; i < subscription; i++)
		if (is_gateway(&b->subs[i]) &&
		    slice_eq(name, first_level(slice_of(b->subs[i].topic))))
			return -ENOENT;
	*ret = (struct acl_user){.name = name, .adapter = adapter_of(s)};
	return 0;
}

static void put_slice(struct buf *out, struct slice s)
{
	buf_put(out, s.p, s.n);
}

/* own_topics with its places filled in. */
static void put_own_topics(const struct acl_user *u, struct buf *out)
{
	const char *class = u->class == CLASS_UNKNOWN ? "+" : device_class_names[u->class];
	struct slice rest = slice_of(u->adapter->own_topics), part;
	while (slice_cut(&rest, '{', &part)) {
		put_slice(out, part);
		if (!rest.p)
			break;
		slice_cut(&rest, '}', &part);
		put_slice(out, slice_is(part, "class") ? slice_of(class) : u->address);
	}
}

void acl_put_user(const struct acl_user *u, struct buf *out)
{
	buf_puts(out, "user ");
	put_slice(out, u->name);
	buf_puts(out, u->address.n ? "\ntopic write " : "\ntopic readwrite ");
	if (u->address.n) {
		put_own_topics(u, out);
	} else {
		put_slice(out, u->name);
		buf_puts(out, "/#");
	}
	buf_puts(out, "\n\n");
}

void acl_put_hub(const struct broker_conf *b, struct buf *out)
{
	if (!b->username)
		return;
	buf_printf(out, "user %s\n", b->username);
	for (size_t i = 0; i < b->nsubs; i++) {
		buf_puts(out, "topic read ");
		put_slice(out, route_without_share(slice_of(b->subs[i].topic)));
		buf_putc(out, '\n');
	}
	buf_puts(out, "topic read $SYS/#\n\n");
}

/* ---- passwords ---- */

int acl_password(struct slice key, struct slice name, char ret[static ACL_PASSWORD_MAX])
{
	static const char digits[] = "0123456789abcdef";
	unsigned char mac[CRYPTO_SHA256_BYTES];
	auto_buf struct buf what = {0};
	buf_init(&what, 1024);
	buf_puts(&what, "mqtt:");
	put_slice(&what, name);
	int r = crypto_hmac_sha256(key, (struct slice){what.p, what.n}, mac);
	for (size_t i = 0; !r && i < sizeof mac; i++) {
		ret[2 * i] = digits[mac[i] >> 4];
		ret[2 * i + 1] = digits[mac[i] & 15];
	}
	ret[ACL_PASSWORD_MAX - 1] = 0;
	return r;
}

int acl_put_password(struct slice name, const char *password, struct buf *out)
{
	char salt[SALT_BYTES + 1];
	unsigned char hash[CRYPTO_PBKDF2_BYTES];
	int r = crypto_random_hex(SALT_BYTES / 2, salt);
	if (!r)
		r = crypto_pbkdf2(slice_of(password), slice_of(salt), ROUNDS, hash);
	if (r)
		return r;
	put_slice(out, name);
	buf_printf(out, ":$7$%d$", ROUNDS);
	base64_put(out, slice_of(salt));
	buf_putc(out, '$');
	base64_put(out, (struct slice){(const char *)hash, sizeof hash});
	buf_putc(out, '\n');
	return 0;
}
