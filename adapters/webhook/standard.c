/*
 * Standard Webhooks: our own default. The body is
 *
 *   {"type":"case.opened","timestamp":"RFC 3339","data":{"case":{…},"grid":{…},"device":{…},
 *    "fields":{…},"text":"…","url":"…"}}
 *
 * `data` is the alert as the outbox has it. `webhook-signature` covers id, time of the attempt and
 * body, once for each secret, so that a key can be changed without a message lost: the receiver
 * takes any of them. The body must stay under 20 kB: an alert that does not is sent without fields
 * and with long texts cut, and says so by "cut":true, since a short alert is worth more than none.
 */
#include "adapter.h"

#include <inttypes.h>

#include "crypto.h"
#include "times.h"
#include "compose.h"

#define SECRET_PREFIX "whsec_"
#define KEY_MIN 24 /* bytes, as the specification says */
#define KEY_MAX 64
#define BODY_MAX 20000

static int decode_key(struct slice secret, struct buf *key)
{
	if (!slice_starts(secret, SECRET_PREFIX))
		return -EINVAL;
	size_t skip = sizeof(SECRET_PREFIX) - 1;
	int rc = base64_decode((struct slice){secret.p + skip, secret.n - skip}, key);
	if (rc)
		return rc;
	return key->failed || key->n < KEY_MIN ? -EINVAL : 0;
}

static int standard_check(const struct webhook_target *t, struct err *e)
{
	if (t->nsecrets == 0)
		return err_set(e, -EINVAL, "no secret: expected one whsec_… a line in secret_file");
	for (size_t i = 0; i < t->nsecrets; i++) {
		auto_buf struct buf key;
		buf_init(&key, KEY_MAX);
		if (decode_key(t->secret[i], &key))
			return err_set(e, -EINVAL,
				       "secret %zu: expected whsec_ and base64 of %d to %d bytes",
				       i + 1, KEY_MIN, KEY_MAX);
	}
	return 0;
}

static void put_body(struct buf *b, const struct webhook_message *m, bool cut)
{
	char ts[TIMES_RFC3339_MAX];
	times_format(m->at_us, ts);
	buf_puts(b, "{\"type\":");
	json_put_str(b, m->event);
	json_put_key(b, "timestamp");
	json_put_str(b, slice_of(ts));
	json_put_key(b, "data");
	webhook_put_alert(b, m, cut);
	buf_putc(b, '}');
}

static int put_signatures(struct buf *h, const struct webhook_target *t, struct slice signed_text)
{
	for (size_t i = 0; i < t->nsecrets; i++) {
		unsigned char mac[CRYPTO_SHA256_BYTES];
		auto_buf struct buf key;
		buf_init(&key, KEY_MAX);
		int rc = decode_key(t->secret[i], &key);
		if (!rc)
			rc = crypto_hmac_sha256(buf_slice(&key), signed_text, mac);
		if (rc)
			return rc;
		buf_puts(h, i ? " v1," : "v1,");
		base64_put(h, (struct slice){(const char *)mac, sizeof mac});
	}
	return 0;
}

static int put_headers(struct buf *h, const struct webhook_target *t,
		       const struct webhook_message *m, struct slice body)
{
	int64_t now_s = m->now_us / TIMES_SEC;
	auto_buf struct buf signed_text;
	buf_init(&signed_text, WEBHOOK_BODY_MAX + WEBHOOK_HEADERS_MAX);
	buf_printf(&signed_text, "%.*s.%" PRId64 ".", SL_FMT(m->id), now_s);
	buf_put_slice(&signed_text, body);
	if (signed_text.failed)
		return -ENOMEM;
	buf_printf(h,
		   "Content-Type: application/json\nwebhook-id: %.*s\nwebhook-timestamp: %" PRId64
		   "\nwebhook-signature: ",
		   SL_FMT(m->id), now_s);
	int rc = put_signatures(h, t, buf_slice(&signed_text));
	buf_putc(h, '\n');
	return rc ? rc : h->failed ? -ENOMEM : 0;
}

static int standard_compose(const struct webhook_target *t, const struct webhook_message *m,
			    struct webhook_request *ret, struct err *e)
{
	if (json_kind(m->alert) != JSON_K_OBJECT)
		return err_set(e, -EINVAL, "the alert is not an object");
	put_body(&ret->body, m, false);
	if (ret->body.failed || ret->body.n > BODY_MAX) {
		buf_reset(&ret->body);
		put_body(&ret->body, m, true);
	}
	if (ret->body.failed || ret->body.n > BODY_MAX)
		return err_set(e, -EMSGSIZE, "the alert has more than %d bytes even when cut",
			       BODY_MAX);
	buf_put_slice(&ret->url, t->url);
	if (ret->url.failed)
		return err_set(e, -EMSGSIZE, "the URL has more than %d bytes", WEBHOOK_URL_MAX);
	int rc = put_headers(&ret->headers, t, m, buf_slice(&ret->body));
	return rc ? err_set(e, rc, "the message cannot be signed") : 0;
}

extern const struct webhook_adapter webhook_standard;
const struct webhook_adapter webhook_standard = {
	.name = "standard",
	.help = "Standard Webhooks: signed JSON (secret_file: whsec_…, one a line)",
	.check = standard_check,
	.compose = standard_compose,
	.classify = webhook_classify_http,
};
