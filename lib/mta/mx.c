/*
 * Where mail for a domain goes.  Two rounds of questions: which hosts, and then
 * all their addresses at once; what they say is sorted out when the last is
 * answered.  All memory is the op's.
 */
#include "mta/mx_state.h"

#include <string.h>

#include "base/op.h"
#include "codec/idna.h"

enum {
	MAX_HOSTS = 10,
	MAX_ADDRESSES = 6,
	TIMEOUT_MS = 60000,
	LITERAL_TTL = 86400,
};

/* -- The end ------------------------------------------------------------------------- */

static void cancel_question(struct msv_op **op)
{
	msv_op_cancel(*op);
	*op = NULL;
}

void msv_mx_stop(struct mx *mx)
{
	cancel_question(&mx->question);
	for (size_t i = 0; i < mx->nhosts; i++) {
		cancel_question(&mx->hosts[i].v6.op);
		cancel_question(&mx->hosts[i].v4.op);
	}
	msv_timer_free(mx->timer);
	mx->timer = NULL;
	msv_op_on_cancel(mx->op.op, NULL, NULL);
}

static void on_cancel(void *user)
{
	struct mx *mx = user;

	msv_mx_stop(mx);
	msv_op_answer(mx->op.op, MSV_ERR_CANCELED);
}

/* -- Asking for addresses ---------------------------------------------------------------------------- */

static void on_addresses(void *user, int error, const void *result)
{
	struct mx_question *q = user;
	struct mx *mx = q->host->mx;

	q->op = NULL;
	q->error = error == MSV_ERR_INVAL ? 0 : error; /* no name, so no address */
	mx->no_memory |= error == MSV_ERR_NOMEM;
	if (!error)
		msv_mx_take_addresses(mx, q, result);
	if (--mx->open == 0)
		msv_mx_settle(mx);
}

static void ask_addresses(struct mx_host *host, struct mx_question *q, enum msv_dns_type type)
{
	struct mx *mx = host->mx;

	q->host = host;
	q->asked = true;
	q->op = msv_op_new(mx->env, on_addresses, q);
	if (!q->op) {
		mx->no_memory = true;
		return;
	}
	mx->open++;
	mx->dns->query(mx->dns->self, host->name, type, (struct msv_dns_op){ q->op });
}

static void ask_hosts(struct mx *mx)
{
	for (size_t i = 0; i < mx->nhosts && !mx->no_memory; i++) {
		struct mx_host *host = &mx->hosts[i];

		host->mx = mx;
		host->v6.host = host->v4.host = host;
		if (!mx->options.no_ipv6)
			ask_addresses(host, &host->v6, MSV_DNS_AAAA);
		if (!mx->options.no_ipv4)
			ask_addresses(host, &host->v4, MSV_DNS_A);
	}
	if (mx->no_memory)
		msv_mx_finish(mx);
	else if (!mx->open)
		msv_mx_settle(mx);
}

/* The domain itself is the only host. */
static void ask_domain(struct mx *mx)
{
	mx->hosts = msv_op_alloc(mx->op.op, sizeof(*mx->hosts));
	if (!mx->hosts) {
		mx->no_memory = true;
		msv_mx_finish(mx);
		return;
	}
	mx->hosts->name = mx->result.domain;
	mx->nhosts = 1;
	mx->result.implicit = true;
	ask_hosts(mx);
}

/* -- MX records ------------------------------------------------------------------------------------------- */

static void mx_failed(struct mx *mx, int error)
{
	const char *domain = mx->result.domain;

	msv_mx_note(mx, "MX %s: %s", domain, msv_mx_error_words(error));
	if (error == MSV_ERR_NOMEM) {
		mx->no_memory = true;
		msv_mx_finish(mx);
	} else if (error == MSV_ERR_INVAL) {
		msv_mx_give_up(mx, 550, "5.1.2", "the domain is no domain name");
	} else {
		msv_mx_give_up(mx, 451, "4.4.3", "the mail servers of %s cannot be found now: %s",
		    domain, msv_mx_error_words(error));
	}
}

/* RFC 7505 3: the root as the only host. */
static bool is_null_mx(const struct msv_dns_answer *answer)
{
	return answer->nrecords == 1 && !answer->records[0].text_len;
}

static void on_mx(void *user, int error, const void *result)
{
	struct mx *mx = user;
	const struct msv_dns_answer *answer = result;
	const char *domain = mx->result.domain;

	mx->question = NULL;
	if (error) {
		mx_failed(mx, error);
		return;
	}
	mx->result.secure = answer->secure;
	mx_shorten_ttl(mx, answer->ttl);
	if (*answer->canonical)
		msv_mx_note(mx, "CNAME %s: %s", domain, answer->canonical);
	if (answer->status == MSV_DNS_NO_NAME) {
		msv_mx_note(mx, "MX %s: no such name", domain);
		msv_mx_give_up(mx, 550, "5.1.2", "the domain %s does not exist", domain);
	} else if (answer->status == MSV_DNS_NO_DATA) {
		msv_mx_note(mx, "MX %s: none, so the domain's own address counts", domain);
		ask_domain(mx);
	} else if (is_null_mx(answer)) {
		msv_mx_note(mx, "MX %s: a null MX", domain);
		msv_mx_give_up(mx, 556, "5.1.10", "the domain %s takes no mail", domain);
	} else {
		msv_mx_take_hosts(mx, answer);
		ask_hosts(mx);
	}
}

static void ask_mx(struct mx *mx)
{
	mx->question = msv_op_new(mx->env, on_mx, mx);
	if (!mx->question) {
		mx->no_memory = true;
		msv_mx_finish(mx);
		return;
	}
	mx->dns->query(
	    mx->dns->self, mx->result.domain, MSV_DNS_MX, (struct msv_dns_op){ mx->question });
}

/* -- The beginning ---------------------------------------------------------------------------------------------- */

/* Whoever does not answer now has failed. */
static void time_over(struct mx_question *q)
{
	if (!q->op)
		return;
	cancel_question(&q->op);
	q->error = MSV_ERR_TIMEOUT;
}

static void on_time(void *user)
{
	struct mx *mx = user;

	if (mx->question) {
		cancel_question(&mx->question);
		mx_failed(mx, MSV_ERR_TIMEOUT);
		return;
	}
	for (size_t i = 0; i < mx->nhosts; i++) {
		time_over(&mx->hosts[i].v6);
		time_over(&mx->hosts[i].v4);
	}
	mx->open = 0;
	msv_mx_settle(mx);
}

/* The domain is an address: nothing has to be asked. */
static void use_address(struct mx *mx, const char *text)
{
	struct mx_host *host = mx->hosts = msv_op_alloc(mx->op.op, sizeof(*host));
	struct mta_ip ip;
	struct mx_question *q;

	msv_mta_ip_parse(text, &ip);
	if (host) {
		q = ip.n == 16 ? &host->v6 : &host->v4;
		host->name = mx->result.domain;
		host->v6.host = host->v4.host = host;
		q->found = msv_op_alloc(mx->op.op, sizeof(*q->found));
		q->asked = true;
	}
	if (!host || !q->found) {
		mx->no_memory = true;
		msv_mx_finish(mx);
		return;
	}
	if (ip.n == 16 ? !mx->options.no_ipv6 : !mx->options.no_ipv4)
		msv_mx_take_address(mx, q, text, false);
	mx->nhosts = 1;
	mx->result.ttl = LITERAL_TTL;
	msv_mx_settle(mx);
}

static const char **copy_names(struct mx *mx, const char *const *names, size_t n)
{
	const char **copy = msv_op_alloc(mx->op.op, (n + 1) * sizeof(*copy));

	for (size_t i = 0; i < n && copy; i++) {
		char ascii[MSV_DOMAIN_SIZE] = "";

		msv_domain_to_ascii(names[i], ascii); /* else it is nobody's name */
		copy[i] = msv_op_strdup(mx->op.op, ascii);
		if (!copy[i])
			return NULL;
	}
	return copy;
}

static int copy_options(struct mx *mx, const struct mta_mx_options *given)
{
	struct mta_mx_options *o = &mx->options;

	if (given)
		*o = *given;
	if (!o->max_hosts)
		o->max_hosts = MAX_HOSTS;
	if (!o->max_addresses)
		o->max_addresses = MAX_ADDRESSES;
	if (!o->timeout_ms)
		o->timeout_ms = TIMEOUT_MS;
	o->own_names = copy_names(mx, o->own_names, o->nown_names);
	mx->own = msv_op_alloc(mx->op.op, (o->nown_addresses + 1) * sizeof(*mx->own));
	if (!o->own_names || !mx->own)
		return MSV_ERR_NOMEM;
	for (size_t i = 0; i < o->nown_addresses; i++)
		msv_mta_ip_parse(o->own_addresses[i], &mx->own[i]);
	return 0;
}

/* The domain in the form that is asked for; false when it is none. */
static bool read_domain(struct mx *mx, const char *domain)
{
	char *ascii = msv_op_alloc(mx->op.op, MSV_DOMAIN_SIZE);
	size_t n;

	mx->result.domain = ascii ? ascii : "";
	if (!ascii) {
		mx->no_memory = true;
		return true;
	}
	if (msv_domain_to_ascii(domain, ascii))
		return false;
	n = strlen(ascii);
	if (n && ascii[n - 1] == '.')
		ascii[n - 1] = '\0';
	return *ascii != '\0';
}

static void begin(struct mx *mx)
{
	const char *domain = mx->result.domain;
	size_t n = strlen(domain);
	struct mta_ip ip;
	char text[46];

	if (mx->options.host && msv_mta_ip_parse(domain, &ip))
		use_address(mx, domain);
	else if (n > 2 && domain[0] == '[' && domain[n - 1] == ']' &&
	         msv_mta_ip_literal(domain + 1, n - 2, text))
		use_address(mx, text);
	else if (!msv_mx_is_host_name(domain))
		msv_mx_give_up(mx, 550, "5.1.2", "the domain is no domain name");
	else if (mx->options.host)
		ask_domain(mx);
	else
		ask_mx(mx);
}

void msv_mx_resolve(struct msv_env *env, const struct msv_dns *dns, const char *domain,
    const struct mta_mx_options *options, struct mta_mx_op op)
{
	struct mx *mx = msv_op_alloc(op.op, sizeof(*mx));

	if (!mx) {
		msv_op_answer(op.op, MSV_ERR_NOMEM);
		return;
	}
	mx->env = env;
	mx->dns = dns;
	mx->op = op;
	mx->end = &mx->lines;
	mx->result = (struct mta_mx_result){ .enhanced = "", .text = "", .ttl = UINT32_MAX };
	if (copy_options(mx, options) || msv_timer_new(env, on_time, mx, &mx->timer)) {
		msv_op_answer(op.op, MSV_ERR_NOMEM);
		return;
	}
	msv_op_on_cancel(op.op, on_cancel, mx);
	msv_timer_start(mx->timer, msv_env_now(env) + mx->options.timeout_ms);
	if (read_domain(mx, domain))
		begin(mx);
	else
		msv_mx_give_up(mx, 550, "5.1.2", "the domain is no domain name");
}
