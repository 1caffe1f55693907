/* What the files of msv_mx_resolve() share: a search under way. */
#ifndef MSV_MTA_MX_STATE_H
#define MSV_MTA_MX_STATE_H

#include "mta/mx.h"

struct mx;
struct mx_host;

/* A question for the addresses of one family. */
struct mx_question {
	struct mx_host *host;
	struct msv_op *op; /* under way */
	bool asked;
	int error;
	enum msv_dns_status status;
	bool secure;
	const char *canonical; /* NULL: no alias */
	struct mta_mx_address *found;
	size_t nfound;
	size_t nowhere;  /* those left out as they lead nowhere */
	const char *own; /* the one that is ours */
};

struct mx_host {
	struct mx *mx;
	const char *name;
	uint16_t preference;
	uint32_t lot; /* decides among equal preferences */
	struct mx_question v6, v4;
};

struct mx_line {
	struct mx_line *next;
	char text[];
};

struct mx {
	struct msv_env *env;
	const struct msv_dns *dns;
	struct mta_mx_op op;
	struct mta_mx_options options;
	struct mta_ip *own; /* the addresses of the options */
	struct msv_timer *timer;
	struct msv_op *question; /* for MX records */
	struct mx_host *hosts;
	size_t nhosts;
	size_t open;   /* questions for addresses not answered yet */
	bool met_self; /* hosts were left out as they are us, or no better */
	bool no_memory;
	struct mx_line *lines, **end;
	size_t nlines;
	struct mta_mx_result result;
};

/* -- mx.c: the questions -------------------------------------------------------- */

/* Nothing is under way any more; the op remains to be answered. */
void msv_mx_stop(struct mx *mx);

/* -- mx_records.c: what answers say ------------------------------------------------ */

/* True for labels (RFC 1035 2.3.4) of letters, digits, '-' and '_' in lower case that
 * are no address. */
bool msv_mx_is_host_name(const char *name);
/* Fills mx->hosts from MX records: sorted, equal ones in random order, those
 * before ourselves, the best of them.  Sets no_memory. */
void msv_mx_take_hosts(struct mx *mx, const struct msv_dns_answer *answer);
/* Fills the question from its answer, in random order.  Sets no_memory. */
void msv_mx_take_addresses(
    struct mx *mx, struct mx_question *q, const struct msv_dns_answer *answer);
/* Takes one address, or tells why not.  There is room for it. */
void msv_mx_take_address(struct mx *mx, struct mx_question *q, const char *text, bool secure);

/* What is known lasts no longer than that. */
static inline void mx_shorten_ttl(struct mx *mx, uint32_t ttl)
{
	if (ttl < mx->result.ttl)
		mx->result.ttl = ttl;
}

/* -- mx_result.c: the end ------------------------------------------------------------ */

/* A line of the result. */
void msv_mx_note(struct mx *mx, const char *fmt, ...) MSV_PRINTF(2, 3);
/* The error of a question in words. */
const char *msv_mx_error_words(int error);
/* Answers with mx->result, or, without memory, by MSV_ERR_NOMEM; so do those
 * below.  mx is gone afterwards. */
void msv_mx_finish(struct mx *mx);
/* There are no hosts: a reply, its text in printf format. */
void msv_mx_give_up(struct mx *mx, int code, const char *enhanced, const char *fmt, ...)
    MSV_PRINTF(4, 5);
/* All questions for addresses are answered. */
void msv_mx_settle(struct mx *mx);

#endif
