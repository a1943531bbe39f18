/* gridhub device export: the broker's lists of who may publish what. */
#include "acl.h"
#include "cmd_registry.h"
#include "json.h"

#define LINE_MAX_BYTES 8192

static const char help[] =
	"usage: gridhub device export --acl | --passwords FILE | --credentials FILE\n"
	"                             [--broker NAME] [--config FILE]\n\n"
	"What a mosquitto needs to know of those who publish to it. Each device that speaks for "
	"itself (adapter\n"
	"hub) has its id as user name and may publish below its own address only; for devices "
	"behind zigbee2mqtt\n"
	"and Frigate their gateway does, whose user name is the first level of its topics.\n\n"
	"  --acl               for acl_file: the hub, gateways and devices\n"
	"  --passwords FILE    for password_file: gateways and devices, hashed. Passwords are made "
	"from the\n"
	"                      secret in FILE, always the same\n"
	"  --credentials FILE  user names and passwords as JSON lines, to be put into the devices\n"
	"  --broker NAME       of mqtt[].name; needed where there are several\n\n"
	"A device whose id or address cannot stand in such a file is named and left out; exit "
	"status 1 "
	"then.\n";

struct export
{
	const char *config, *broker, *key_path;
	bool acl; /* one of the three is asked for */
	const char *passwords, *credentials;
	const struct broker_conf *b;
	char *key;
	size_t refused;
};

static const struct cmd_option options[] = {
	{"acl", CMD_FLAG, .at = offsetof(struct export, acl)},
	{"passwords", CMD_TEXT, .at = offsetof(struct export, passwords)},
	{"credentials", CMD_TEXT, .at = offsetof(struct export, credentials)},
	{"broker", CMD_TEXT, .at = offsetof(struct export, broker)},
};
static const struct cmd_takes takes = {
	.name = "device export", .help = help, CMD_TAKES_OPTIONS(options)};

static int put_credentials(const struct acl_user *u, const char *password, struct buf *line)
{
	buf_putc(line, '{');
	json_put_key(line, "username");
	json_put_str(line, u->name);
	json_put_key(line, "password");
	json_put_str(line, slice_of(password));
	buf_puts(line, "}\n");
	return 0;
}

static int put_user(const struct export *x, const struct acl_user *u, struct buf *line)
{
	char password[ACL_PASSWORD_MAX];
	if (x->acl) {
		acl_put_user(u, line);
		return 0;
	}
	int r = acl_password(slice_of(x->key), u->name, password);
	if (r)
		return r;
	return x->passwords ? acl_put_password(u->name, password, line)
			    : put_credentials(u, password, line);
}

/* rc: what acl_gateway or acl_device said. */
static int print_user(struct export *x, int rc, const struct acl_user *u, struct err *e)
{
	auto_buf struct buf line = {0};
	if (rc == -ENOENT)
		return 0;
	if (rc) {
		cmd_fail(e);
		x->refused++;
		return 0;
	}
	buf_init(&line, LINE_MAX_BYTES);
	rc = put_user(x, u, &line);
	if (rc)
		return err_set(e, rc, "%.*s: cannot make a password", (int)u->name.n, u->name.p);
	fputs(buf_str(&line), stdout);
	return 0;
}

static int print_hub(const struct export *x)
{
	auto_buf struct buf lines = {0};
	if (!x->acl)
		return 0;
	buf_init(&lines, (size_t)1 << 20);
	acl_put_hub(x->b, &lines);
	fputs(buf_str(&lines), stdout);
	return 0;
}

static int print_all(struct export *x, struct pg *p, int64_t district, struct err *e)
{
	auto_rows struct pg_rows *rows = NULL;
	struct acl_user u;
	const struct pg_arg arg = PGA_I(district);
	int r = pg_query(p, SQL_REGISTRY_EXPORT, &arg, 1, e, &rows);
	if (!r)
		r = print_hub(x);
	for (size_t i = 0; !r && i < x->b->nsubs; i++)
		r = print_user(x, acl_gateway(x->b, i, e, &u), &u, e);
	for (size_t i = 0; !r && i < pg_count(rows); i++) {
		enum device_class class = (enum device_class)pg_i64(rows, i, 2);
		r = print_user(x,
			       acl_device(x->b, pg_slice(rows, i, 0), pg_slice(rows, i, 1), class,
					  pg_slice(rows, i, 3), e, &u),
			       &u, e);
	}
	return r;
}

static const struct broker_conf *find_broker(const struct export *x, const struct config *c)
{
	for (size_t i = 0; i < c->nbrokers; i++)
		if (x->broker ? strcmp(x->broker, c->brokers[i].name) == 0 : c->nbrokers == 1)
			return &c->brokers[i];
	return NULL;
}

static int no_broker(const struct export *x)
{
	return x->broker ? cmd_usage(takes.name, "--broker \"%s\": there is none of that name",
				     x->broker)
			 : cmd_usage(takes.name, "say which --broker");
}

static int export(struct export *x)
{
	auto_config struct config *c = NULL;
	auto_pg struct pg *p = NULL;
	struct err e = {0};
	int64_t district = 0;
	int rc = cmd_open_district(x->config, &c, &p, &district);
	if (rc)
		return rc;
	x->b = find_broker(x, c);
	if (!x->b)
		return no_broker(x);
	if (x->key_path && file_read_secret(x->key_path, &x->key, &e))
		return cmd_fail(&e);
	if (x->key && strlen(x->key) < 32) {
		err_set(&e, -EINVAL, "%s: a secret of at least 32 characters is expected",
			x->key_path);
		return cmd_fail(&e);
	}
	if (print_all(x, p, district, &e))
		return cmd_fail(&e);
	return x->refused ? CMD_FAILED : CMD_OK;
}

int cmd_device_export(int argc, char **argv)
{
	struct export x = {0};
	int rc = cmd_parse(&takes, argc, argv, &x, &x.config);
	if (rc >= 0)
		return rc;
	if (x.acl + !!x.passwords + !!x.credentials != 1)
		return cmd_usage(takes.name, "one of --acl, --passwords, --credentials");
	x.key_path = x.passwords ? x.passwords : x.credentials;
	rc = export(&x);
	free(x.key);
	return rc;
}
