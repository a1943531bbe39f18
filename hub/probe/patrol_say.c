#include "patrol_say.h"

#include <math.h>
#include <time.h>

#include "json.h"
#include "probe.h"
#include "times.h"

#define PAYLOAD_MAX 16384
#define DUSK_DEG (-3.0) /* cameras go over to infrared light about then */
#define J2000_DAYS 10957.5
#define RADIANS (3.14159265358979323846 / 180)

int patrol_say(struct spool *spool, const struct patrol_stream *s, struct slice fields,
	       const char *snapshot, int64_t now_us)
{
	auto_buf struct buf topic, payload;
	buf_init(&topic, SPOOL_TOPIC_MAX);
	buf_init(&payload, PAYLOAD_MAX);
	buf_printf(&topic, "probe/%s/%s", s->adapter, s->address);
	buf_printf(&payload, "{\"ts\":%lld", (long long)now_us);
	if (snapshot[0]) {
		json_put_key(&payload, "snapshot");
		json_put_str(&payload, slice_of(snapshot));
	}
	if (fields.n > 2) { /* more than {} */
		buf_putc(&payload, ',');
		buf_put_slice(&payload, (struct slice){fields.p + 1, fields.n - 1});
	} else {
		buf_putc(&payload, '}');
	}
	if (topic.failed || payload.failed)
		return -E2BIG;
	struct spool_record rec = {.recv_us = now_us,
				   .source = SL(PROBE_SOURCE),
				   .topic = buf_slice(&topic),
				   .payload = buf_slice(&payload),
				   .full_len = (uint32_t)payload.n};
	return spool_append(spool, &rec);
}

/* ---- night ---- */

/* The Astronomical Almanac's low-precision formulae. */
double patrol_sun(double lon, double lat, int64_t now_us)
{
	double d = (double)now_us / (double)TIMES_DAY - J2000_DAYS;
	double anomaly = (357.529 + 0.98560028 * d) * RADIANS;
	double ecliptic =
		(280.459 + 0.98564736 * d + 1.915 * sin(anomaly) + 0.020 * sin(2 * anomaly)) *
		RADIANS;
	double tilt = (23.439 - 0.00000036 * d) * RADIANS;
	double right = atan2(cos(tilt) * sin(ecliptic), cos(ecliptic));
	double declination = asin(sin(tilt) * sin(ecliptic));
	double hour = (280.46061837 + 360.98564736629 * d + lon) * RADIANS - right;
	return asin(sin(lat * RADIANS) * sin(declination) +
		    cos(lat * RADIANS) * cos(declination) * cos(hour)) /
	       RADIANS;
}

static bool within_hours(int from_min, int to_min, int64_t now_us)
{
	time_t sec = (time_t)(now_us / TIMES_SEC);
	struct tm tm;
	if (!localtime_r(&sec, &tm))
		return false;
	int m = tm.tm_hour * 60 + tm.tm_min;
	return from_min <= to_min ? from_min <= m && m < to_min : m >= from_min || m < to_min;
}

bool patrol_night(const struct config *conf, const struct patrol_stream *s, int64_t now_us)
{
	if (conf->probe.night_from_min >= 0)
		return within_hours(conf->probe.night_from_min, conf->probe.night_to_min, now_us);
	if (s->placed)
		return patrol_sun(s->lon, s->lat, now_us) < DUSK_DEG;
	return within_hours(19 * 60, 6 * 60, now_us);
}
