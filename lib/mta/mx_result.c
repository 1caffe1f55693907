/* What came of it: hosts or a reply, and lines that tell how. */
#include <stdio.h>
#include <string.h>

#include "base/op.h"
#include "mta/mx_state.h"

enum { LINE = 1200 }; /* room for a name and addresses */

void msv_mx_finish(struct mx *mx)
{
	const char **lines = msv_op_alloc(mx->op.op, (mx->nlines + 1) * sizeof(*lines));

	msv_mx_stop(mx);
	if (!lines || mx->no_memory) {
		msv_op_answer(mx->op.op, MSV_ERR_NOMEM);
		return;
	}
	for (struct mx_line *line = mx->lines; line; line = line->next)
		lines[mx->result.nlines++] = line->text;
	mx->result.lines = lines;
	if (mx->result.ttl == UINT32_MAX || mx->result.code / 100 == 4)
		mx->result.ttl = 0;
	msv_op_complete(mx->op.op, 0, &mx->result);
}

static void keep_line(struct mx *mx, const char *text, size_t n)
{
	struct mx_line *line = msv_op_alloc(mx->op.op, sizeof(*line) + n + 1);

	if (!line) {
		mx->no_memory = true;
		return;
	}
	memcpy(line->text, text, n);
	*mx->end = line;
	mx->end = &line->next;
	mx->nlines++;
}

void msv_mx_note(struct mx *mx, const char *fmt, ...)
{
	char text[LINE];
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	keep_line(mx, text, n < LINE ? (size_t)n : LINE - 1);
}

void msv_mx_give_up(struct mx *mx, int code, const char *enhanced, const char *fmt, ...)
{
	char text[LINE];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	mx->result.code = code;
	mx->result.enhanced = enhanced;
	mx->result.text = msv_op_strdup(mx->op.op, text);
	if (!mx->result.text)
		mx->no_memory = true;
	mx->result.hosts = NULL;
	mx->result.nhosts = 0;
	msv_mx_finish(mx);
}

const char *msv_mx_error_words(int error)
{
	switch (error) {
	case MSV_ERR_TIMEOUT:
		return "no answer in time";
	case MSV_ERR_IO:
		return "the name servers fail";
	case MSV_ERR_FORMAT:
		return "the answer is garbled or forged";
	case MSV_ERR_INVAL:
		return "no domain name";
	default:
		return msv_strerror(error);
	}
}

/* -- What was found, in lines ------------------------------------------------------------------ */

static void note_addresses(struct mx *mx, const struct mx_question *q, const char *type)
{
	char text[LINE];
	size_t n = (size_t)snprintf(text, sizeof(text), "%s %s:", type, q->host->name);

	for (size_t i = 0; i < q->nfound && n + 64 < sizeof(text); i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, " %s", q->found[i].text);
	msv_mx_note(mx, "%s%s%s%s", text, q->canonical ? " of " : "",
	    q->canonical ? q->canonical : "", q->secure ? " (DNSSEC)" : "");
}

static void note_question(struct mx *mx, const struct mx_question *q, const char *type)
{
	const char *name = q->host->name;

	if (!q->asked)
		return;
	if (q->nfound)
		note_addresses(mx, q, type);
	else if (q->error)
		msv_mx_note(mx, "%s %s: %s", type, name, msv_mx_error_words(q->error));
	else if (!q->own && !q->nowhere)
		msv_mx_note(mx, "%s %s: none", type, name);
	if (q->own)
		msv_mx_note(mx, "%s %s: %s is this host", type, name, q->own);
	if (q->nowhere)
		msv_mx_note(
		    mx, "%s %s: %zu left out that lead nowhere from here", type, name, q->nowhere);
}

/* -- The result ------------------------------------------------------------------------------------ */

/* By turns IPv6 and IPv4. */
static size_t interleave(struct mta_mx_address *out, size_t most, const struct mx_question *a,
    const struct mx_question *b)
{
	size_t n = 0;

	for (size_t i = 0; (i < a->nfound || i < b->nfound) && n < most; i++) {
		if (i < a->nfound)
			out[n++] = a->found[i];
		if (i < b->nfound && n < most)
			out[n++] = b->found[i];
	}
	return n;
}

static int fill_host(struct mx *mx, struct mta_mx_host *out, const struct mx_host *host)
{
	struct mta_mx_address *addresses =
	    msv_op_alloc(mx->op.op, mx->options.max_addresses * sizeof(*addresses));

	if (!addresses)
		return MSV_ERR_NOMEM;
	out->name = host->name;
	out->canonical = host->v4.canonical   ? host->v4.canonical
	                 : host->v6.canonical ? host->v6.canonical
	                                      : host->name;
	out->preference = host->preference;
	out->secure = mx->result.secure;
	out->addresses = addresses;
	out->naddresses = interleave(addresses, mx->options.max_addresses, &host->v6, &host->v4);
	return 0;
}

/* Among the addresses of the hosts is our own: what is not better goes. */
static void leave_out_self(struct mx *mx)
{
	for (size_t i = 0; i < mx->nhosts; i++) {
		uint16_t preference = mx->hosts[i].preference;

		if (!mx->hosts[i].v6.own && !mx->hosts[i].v4.own)
			continue;
		/* They are sorted: back to the first of this preference. */
		while (i && mx->hosts[i - 1].preference == preference)
			i--;
		if (!mx->result.implicit)
			msv_mx_note(mx, "MX %u and what is not better left out: it is this host",
			    preference);
		mx->nhosts = i;
		mx->met_self = true;
	}
}

/* No host has an address to use. */
static void give_up_hosts(struct mx *mx)
{
	const char *domain = mx->result.domain;
	bool nowhere = false;
	int error = 0;

	for (size_t i = 0; i < mx->nhosts && !error; i++) {
		const struct mx_host *host = &mx->hosts[i];

		error = host->v4.error ? host->v4.error : host->v6.error;
		nowhere |= host->v4.nowhere || host->v6.nowhere;
	}
	if (error)
		msv_mx_give_up(mx, 451, "4.4.3", "the addresses of %s cannot be found now: %s",
		    domain, msv_mx_error_words(error));
	else if (mx->options.host)
		msv_mx_give_up(mx, 451, "4.4.4", "%s has no address", domain);
	else if (mx->met_self)
		msv_mx_give_up(mx, 554, "5.4.6",
		    "mail for %s loops back to this host: it is its best MX, but does not take it",
		    domain);
	else if (nowhere)
		msv_mx_give_up(
		    mx, 550, "5.4.4", "the addresses of %s lead nowhere from this host", domain);
	else if (mx->result.implicit)
		msv_mx_give_up(mx, 550, "5.4.4", "%s has neither MX record nor address", domain);
	else
		msv_mx_give_up(mx, 550, "5.4.4", "the mail servers of %s have no address", domain);
}

void msv_mx_settle(struct mx *mx)
{
	struct mta_mx_host *hosts = msv_op_alloc(mx->op.op, (mx->nhosts + 1) * sizeof(*hosts));

	mx->no_memory |= !hosts;
	for (size_t i = 0; i < mx->nhosts; i++) {
		note_question(mx, &mx->hosts[i].v6, "AAAA");
		note_question(mx, &mx->hosts[i].v4, "A");
	}
	leave_out_self(mx);
	for (size_t i = 0; i < mx->nhosts && !mx->no_memory; i++) {
		const struct mx_host *host = &mx->hosts[i];

		if ((host->v6.nfound || host->v4.nfound) &&
		    fill_host(mx, &hosts[mx->result.nhosts++], host))
			mx->no_memory = true;
	}
	mx->result.hosts = hosts;
	if (mx->result.nhosts || mx->no_memory)
		msv_mx_finish(mx);
	else
		give_up_hosts(mx);
}
