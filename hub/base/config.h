/*
 * config: gridhub.yaml as structs, by tables (config.c), so that the reference that `gridhub run
 * --help` prints is the table itself. Read-only once loaded; strings are owned by the
 * configuration.
 *
 * Secrets never stand in the file: each has a *_file key (or an environment variable where said).
 * Relative paths in the file are relative to the file's folder.
 */
#ifndef GRIDHUB_CONFIG_H
#define GRIDHUB_CONFIG_H

#include "guard.h"

struct yaml_node;

enum spool_sync { SPOOL_SYNC_OS, SPOOL_SYNC_INTERVAL, SPOOL_SYNC_ALWAYS };
enum unknown_policy { UNKNOWN_KEEP, UNKNOWN_REGISTER };

struct subscription_conf {
	const char *topic;   /* MQTT filter; $share/GROUP/… is fine */
	const char *adapter; /* name of a device adapter */
	int64_t qos;	     /* 0..2; 1 is what the promises are made for */
};

struct broker_conf {
	const char *name; /* as the spool, logs and metrics call it; unique */
	const char *url;  /* mqtt://host:port or mqtts://host:port */
	int64_t version;  /* 3 (3.1.1) or 5 */
	const char *client_id;
	const char *username, *password_file;
	const char *ca_file, *cert_file, *key_file;
	int64_t keepalive_us, session_expiry_us;
	int64_t receive_maximum; /* messages the broker may have under way to us (MQTT 5) */
	const struct yaml_node *subscriptions; /* as the file has it; subs is what it means */
	struct subscription_conf *subs;
	size_t nsubs;
};

struct endpoint_conf {
	const char *name;
	const char *url, *url_file; /* one of the two; a URL with a key in it belongs into a file */
	const char *dialect;	    /* name of a webhook adapter */
	const char *secret_file;    /* "whsec_…" for standard */
	const char *template_file;  /* a text of ops' own; NULL = the dialect's */
	const char *content_type;   /* of dialect template; NULL = JSON */
	const char *ca_file;	    /* PEM; NULL = the system's */
	int64_t timeout_us;	    /* one attempt, all in all */
	const char *rate;	    /* "20/min", "100/min 5/s"; NULL = the dialect's, "none" */
	int lang;		    /* enum lang */
	const char *mention;	    /* ids of people, with blanks between them; NULL = nobody's */
};

struct config {
	const char *path;
	const char *district;  /* stands in every key of the database */
	int lang;	       /* enum lang */
	int other_lang;	       /* that some endpoint has instead; -1: none has */
	const char *time_zone; /* a name from /usr/share/zoneinfo */
	struct {
		int level; /* enum log_level */
	} log;
	struct {
		const char *conninfo, *password_file;
		bool migrate;
		int64_t timeout_us;
		int64_t keep_readings_us, keep_deliveries_us, keep_cases_us;
		int64_t backup_every_us; /* 0 = by other means: nobody looks */
	} database;
	struct {
		const char *dir;
		int sync; /* enum spool_sync */
		int64_t sync_interval_us;
		int64_t segment_bytes, max_bytes, keep_pct;
	} spool;
	struct {
		int64_t max_payload;
		int unknown; /* enum unknown_policy */
		int64_t unknown_max, rejected_max;
		const char *holding_grid;
		int64_t late_us,
			ahead_us; /* the device's time is used within [-late, +ahead] of arrival */
		int64_t batch_records,
			batch_us; /* a batch is full at so many records, or after so long */
	} intake;
	struct {
		const char *dir;
	} rules;
	struct {
		const char
			*default_endpoint; /* for grids without one up to the root; NULL = none */
		int64_t concurrency;	   /* requests under way, all endpoints */
		int64_t connect_timeout_us, lease_us, stop_grace_us;
		int64_t group_wait_us, group_interval_us; /* see bundle.h */
		int64_t retry_scale_pct; /* 100 = the schedule as it is; less for tests */
		bool allow_http;	 /* plain http:// to hosts that are not loopback */
		const struct yaml_node
			*allow_addresses; /* as the file has it; allowed is what it means */
		struct guard allowed;	  /* addresses of this network that names may lead to */
		const char *case_url; /* link put into alerts, {case} is replaced; NULL = none */
	} notify;
	struct {
		bool enabled;
		int64_t processes, threads, memory_bytes;
		int64_t deadline_us, watch_us;
		int64_t reach_every_us, keyframe_every_us, picture_every, watch_every_us, retry_us;
		int64_t per_host, per_server, connects_per_s;
		const struct yaml_node *servers_list, *allow_addresses; /* as the file has them */
		const char **servers; /* hosts with many streams behind them */
		size_t nservers;
		struct guard allowed; /* addresses of this network that streams may be at */
		const char *ca_file, *canary, *night;
		bool tls_verify;
		int night_from_min, night_to_min; /* of the day in time_zone; -1: by the sun */
		int64_t snapshot_keep_us, snapshot_max;
	} probe;
	struct {
		const char *listen;	/* "127.0.0.1:8470"; "" = none */
		const char *token_file; /* of the API; NULL = there is none */
		int64_t max_connections;
	} http;
	struct broker_conf *brokers;
	size_t nbrokers;
	struct endpoint_conf *endpoints;
	size_t nendpoints;
	struct arena arena; /* owns what is computed: absolute paths, lists */
	struct yaml_doc *doc;
};

#define CONFIG_DEFAULT_PATH "/etc/gridhub/gridhub.yaml"
#define CONFIG_BROKERS_MAX 64
#define CONFIG_SUBSCRIPTIONS_MAX 256
#define CONFIG_NAME_MAX 64 /* bytes of a broker's name; it stands in every record of the spool */
#define CONFIG_ENDPOINTS_MAX 10000
#define CONFIG_LANG_OF_HUB 2 /* behind those of enum lang, while it is read */
#define CONFIG_SERVERS_MAX 256

/* -EINVAL with file, line, column, key, value and what was expected; -ENOENT; -ENOMEM. */
must_check int config_load(const char *path, struct err *e, struct config **ret);
void config_free(struct config *c); /* NULL is fine */
void config_freep(struct config **c);
#define auto_config auto_call(config_freep)
const struct endpoint_conf *config_endpoint(const struct config *c, struct slice name);
/* Every setting: name, type, default, range, meaning; one paragraph a section. */
void config_reference(struct buf *out);

#endif
