/* Which hosts and addresses of the answers are used, and in which order. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/op.h"
#include "mta/mx_state.h"

enum {
	KEPT_ADDRESSES = 64, /* of an answer: those to be used are drawn from these */
	NAMED = 10,          /* useless records that are told of */
};

/* -- Addresses ---------------------------------------------------------------- */

static uint32_t draw(struct mx *mx)
{
	uint32_t lot = 0;

	return msv_env_random(mx->env, &lot, sizeof(lot)) ? 0 : lot;
}

static bool is_own_address(const struct mx *mx, const struct mta_ip *ip)
{
	for (size_t i = 0; i < mx->options.nown_addresses; i++)
		if (msv_mta_ip_equal(&mx->own[i], ip))
			return true;
	return false;
}

void msv_mx_take_address(struct mx *mx, struct mx_question *q, const char *text, bool secure)
{
	struct mta_ip ip;

	if (!msv_mta_ip_parse(text, &ip))
		return;
	if (!mx->options.host && is_own_address(mx, &ip)) {
		if (!q->own)
			q->own = msv_op_strdup(mx->op.op, text);
		mx->no_memory |= !q->own;
	} else if (!mx->options.host && !mx->options.allow_loopback && msv_mta_ip_nowhere(&ip)) {
		q->nowhere++;
	} else if (q->nfound < KEPT_ADDRESSES) {
		struct mta_mx_address *found = &q->found[q->nfound++];

		snprintf(found->text, sizeof(found->text), "%s", text);
		found->secure = secure;
	}
}

static void shuffle(struct mx *mx, struct mta_mx_address *a, size_t n)
{
	for (; n > 1; n--) {
		size_t i = draw(mx) % n;
		struct mta_mx_address swap = a[i];

		a[i] = a[n - 1];
		a[n - 1] = swap;
	}
}

void msv_mx_take_addresses(
    struct mx *mx, struct mx_question *q, const struct msv_dns_answer *answer)
{
	size_t n = answer->nrecords < KEPT_ADDRESSES ? answer->nrecords : KEPT_ADDRESSES;

	mx_shorten_ttl(mx, answer->ttl);
	q->status = answer->status;
	q->secure = answer->secure;
	q->found = msv_op_alloc(mx->op.op, (n + 1) * sizeof(*q->found));
	if (*answer->canonical)
		q->canonical = msv_op_strdup(mx->op.op, answer->canonical);
	if (!q->found || (*answer->canonical && !q->canonical)) {
		mx->no_memory = true;
		return;
	}
	for (size_t i = 0; i < answer->nrecords; i++)
		msv_mx_take_address(mx, q, answer->records[i].text, answer->secure);
	shuffle(mx, q->found, q->nfound);
}

/* -- MX records ------ */

bool msv_mx_is_host_name(const char *name)
{
	static const char bytes[] = "abcdefghijklmnopqrstuvwxyz0123456789-_";
	struct mta_ip ip;

	if (strlen(name) > 253 || msv_mta_ip_parse(name, &ip))
		return false;
	for (;; name++) {
		size_t label = strspn(name, bytes);

		name += label;
		if (!label || label > 63 || (*name && *name != '.'))
			return false;
		if (!*name)
			return true;
	}
}

static bool is_own_name(const struct mx *mx, const char *name)
{
	for (size_t i = 0; i < mx->options.nown_names; i++)
		if (strcmp(name, mx->options.own_names[i]) == 0)
			return true;
	return false;
}

static int by_preference(const void *a, const void *b)
{
	const struct mx_host *x = a, *y = b;

	if (x->preference != y->preference)
		return x->preference < y->preference ? -1 : 1;
	return (x->lot > y->lot) - (x->lot < y->lot);
}

/* The hosts of the records, sorted; the number of those that can be used. */
static size_t read_hosts(struct mx *mx, const struct msv_dns_answer *answer, struct mx_host *hosts)
{
	size_t n = 0;

	for (size_t i = 0; i < answer->nrecords; i++) {
		const struct msv_dns_record *r = &answer->records[i];

		if (msv_mx_is_host_name(r->text))
			hosts[n++] = (struct mx_host){
				.name = r->text, .preference = r->preference, .lot = draw(mx)
			};
		else if (i - n < NAMED)
			msv_mx_note(
			    mx, "MX %u %.255s: left out, no host name", r->preference, r->text);
	}
	qsort(hosts, n, sizeof(*hosts), by_preference);
	return n;
}

/* How many come before ourselves, or before those that are no better. */
static size_t before_self(struct mx *mx, const struct mx_host *hosts, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint16_t preference = hosts[i].preference;

		if (!is_own_name(mx, hosts[i].name))
			continue;
		msv_mx_note(mx, "MX %u %s: this host; what is not better is left out", preference,
		    hosts[i].name);
		mx->met_self = true;
		while (i && hosts[i - 1].preference == preference)
			i--;
		return i;
	}
	return n;
}

static bool is_kept(const struct mx *mx, const char *name)
{
	for (size_t i = 0; i < mx->nhosts; i++)
		if (strcmp(mx->hosts[i].name, name) == 0)
			return true;
	return false;
}

/* Keeps the best. */
static void keep_hosts(struct mx *mx, const struct mx_host *hosts, size_t n)
{
	size_t i;

	mx->hosts = msv_op_alloc(mx->op.op, (mx->options.max_hosts + 1) * sizeof(*mx->hosts));
	mx->no_memory |= !mx->hosts;
	for (i = 0; i < n && mx->nhosts < mx->options.max_hosts && !mx->no_memory; i++) {
		struct mx_host *host = &mx->hosts[mx->nhosts];

		if (is_kept(mx, hosts[i].name))
			continue;
		*host = hosts[i];
		host->name = msv_op_strdup(mx->op.op, hosts[i].name);
		mx->no_memory |= !host->name;
		mx->nhosts++;
		msv_mx_note(mx, "MX %u %s%s", host->preference, hosts[i].name,
		    mx->result.secure ? " (DNSSEC)" : "");
	}
	if (i < n)
		msv_mx_note(mx, "MX: %zu more left out, beyond the limit of %u hosts", n - i,
		    mx->options.max_hosts);
}

void msv_mx_take_hosts(struct mx *mx, const struct msv_dns_answer *answer)
{
	struct mx_host *hosts = msv_alloc(mx->env, answer->nrecords * sizeof(*hosts));
	size_t n;

	if (!hosts) {
		mx->no_memory = true;
		return;
	}
	n = read_hosts(mx, answer, hosts);
	n = before_self(mx, hosts, n);
	keep_hosts(mx, hosts, n);
	msv_free(mx->env, hosts);
}
