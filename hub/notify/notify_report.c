#include "notify_report.h"

#include "metrics.h"
#include "times.h"

static void report_accepted(struct receiver *r, const struct notify_job *j)
{
	bool failed = log_repeat_over(&r->failing), died = log_repeat_over(&r->dying);
	if (failed || died)
		log_info("notify", KM("receiver works again"), KSL("endpoint", j->endpoint));
	log_debug("notify", KM("delivered"), KI("case", j->case_id), KSL("endpoint", j->endpoint),
		  KI("ms", j->latency_us / TIMES_MS));
}

void notify_report(struct receiver *r, const struct notify_job *j)
{
	static const enum metric counter[] = {M_WEBHOOK_OK, M_WEBHOOK_RETRY, M_WEBHOOK_DEAD};
	static const char *const what[] = {"delivered", "not delivered, will retry",
					   "not delivered, dead letter"};
	struct log_repeat *told = j->result == NOTIFY_DEAD ? &r->dying : &r->failing;
	metric_add(counter[j->result], 1);
	if (j->result == NOTIFY_ACCEPTED) {
		report_accepted(r, j);
		return;
	}
	uint64_t held = told->held;
	if (!log_repeat_due(told, times_mono_us()))
		return;
	log_at(j->result == NOTIFY_DEAD ? LOG_ERROR : LOG_WARN, "notify", KM(what[j->result]),
	       KI("case", j->case_id), KSL("endpoint", j->endpoint), KI("status", j->status),
	       KS("why", j->detail), KI("attempt", j->attempts + 1), KI("not_logged", held));
}

void notify_report_circuit(const struct receivers *all, const struct receiver *r,
			   const struct notify_job *j)
{
	metric_set(M_CIRCUITS_OPEN, notify_receivers_failing(all));
	if (pace_open(&r->pace))
		log_warn("notify",
			 KM("a receiver fails; its alerts wait, one is tried now and then"),
			 KSL("endpoint", j->endpoint), KS("why", j->detail));
	else
		log_info("notify", KM("a receiver is back"), KSL("endpoint", j->endpoint));
}
