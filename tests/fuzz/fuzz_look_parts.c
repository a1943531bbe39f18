/* What strangers and ops write that a look reads itself: URLs, playlists, offers of a password, the
 * beginnings of pictures. The first byte says which. */
#include "look_auth.h"
#include "look_nal.h"
#include "look_playlist.h"
#include "look_url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void url(const char *text)
{
	struct look_url u, joined;
	struct err e = {0};
	auto_buf struct buf out;
	buf_init(&out, 65536);
	look_url_public(text, &out);
	if (look_url_parse(text, &u, &e)) {
		if (!e.msg[0])
			abort();
		return;
	}
	look_url_bare(&u, &out);
	if (memchr(u.path, '\n', strlen(u.path)) || !u.host[0])
		abort();
	if (look_url_join(&u, slice_of(text), &joined, &e) == 0 && joined.path[0] != '/')
		abort();
}

static void playlist(struct slice text)
{
	struct look_playlist p;
	struct err e = {0};
	if (look_playlist_parse(text, &p, &e))
		return;
	if (p.last.p && (p.last.p < text.p || p.last.p + p.last.n > text.p + text.n))
		abort();
}

static void auth(struct slice text)
{
	struct look_auth a = {0};
	auto_buf struct buf out;
	buf_init(&out, 65536);
	look_auth_offer(&a, text);
	look_auth_put(&a, "user", "password", "GET", "/", &out);
	if (memmem(buf_str(&out), out.n, "password", 8) && !memmem(text.p, text.n, "password", 8))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct look_nal nal;
	if (!size)
		return 0;
	struct slice rest = {(const char *)data + 1, size - 1};
	char *text = slice_dup(rest);
	if (!text)
		return 0;
	switch (data[0] % 4) {
	case 0:
		url(text);
		break;
	case 1:
		playlist((struct slice){text, rest.n});
		break;
	case 2:
		auth((struct slice){text, rest.n});
		break;
	default:
		look_nal_scan(data[0] & 4, data[0] >> 4 & 3, data + 1, size - 1, &nal);
		if (nal.slice_at > size - 1)
			abort();
	}
	free(text);
	return 0;
}
