/* What others ask of the DNS, by libunbound. */
#include <string.h>
#include <strings.h>
#include <unbound.h>

#include "loop.h"

enum { MAX_RECORDS = 4096 }; /* of an answer: 64 KiB hold no more of those asked for */

struct question {
	struct msv_uv_ask ask;
	struct msv_dns_op op;
	enum msv_dns_type type;
};

static void fail(struct question *q, int error)
{
	msv_op_on_cancel(q->op.op, NULL, NULL);
	msv_op_answer(q->op.op, error);
	msv_uv_ask_end(&q->ask);
}

static void on_failed(struct msv_uv_ask *ask, int error)
{
	fail((struct question *)ask, error);
}

static void on_cancel(void *user)
{
	fail(user, MSV_ERR_CANCELED);
}

/* The name at the end of aliases, without its dot, "" when there is none. */
static void read_canonical(const struct ub_result *result, char out[1024])
{
	const char *name = result->canonname ? result->canonname : "";
	size_t n = strlen(name), asked = strlen(result->qname);

	out[0] = '\0';
	if (n && name[n - 1] == '.')
		n--;
	if (asked && result->qname[asked - 1] == '.')
		asked--;
	if (n >= 1024 || (n == asked && strncasecmp(name, result->qname, n) == 0))
		return;
	for (size_t i = 0; i < n; i++)
		out[i] = name[i] >= 'A' && name[i] <= 'Z' ? (char)(name[i] - 'A' + 'a') : name[i];
	out[n] = '\0';
}

static size_t count(const struct ub_result *result)
{
	size_t n = 0;

	while (result->havedata && n < MAX_RECORDS && result->data[n])
		n++;
	return n;
}

/* Answers by the records that libunbound has as on the wire.  0 or MSV_ERR_NOMEM. */
static int give(struct question *q, const struct ub_result *result)
{
	struct msv_uv *uv = q->ask.uv;
	size_t n = count(result);
	struct msv_dns_record *records = msv_uv_alloc(uv, (n + 1) * sizeof(*records));
	char canonical[1024];
	struct msv_dns_answer answer = {
		.size = sizeof(answer),
		.status = n                  ? MSV_DNS_FOUND
		          : result->nxdomain ? MSV_DNS_NO_NAME
		                             : MSV_DNS_NO_DATA,
		.secure = result->secure,
		.ttl = result->ttl > 0 ? (uint32_t)result->ttl : 0,
		.canonical = canonical,
		.records = records,
		.nrecords = n,
	};

	if (!records)
		return MSV_ERR_NOMEM;
	read_canonical(result, canonical);
	for (size_t i = 0; i < n; i++)
		records[i].rdata = (struct msv_span){ result->data[i],
			result->len[i] > 0 ? (size_t)result->len[i] : 0 };
	msv_op_on_cancel(q->op.op, NULL, NULL);
	msv_dns_answer(q->op, q->type, &answer);
	msv_uv_release(uv, records);
	msv_uv_ask_end(&q->ask);
	return 0;
}

static void on_answered(struct msv_uv_ask *ask, int error, const struct ub_result *result)
{
	struct question *q = (struct question *)ask;

	if (!error && result->bogus)
		error = MSV_ERR_FORMAT;
	else if (!error && !result->havedata && !result->nxdomain && result->rcode)
		error = MSV_ERR_IO; /* SERVFAIL, REFUSED ... */
	if (!error)
		error = give(q, result);
	if (error)
		fail(q, error);
}

static void query(void *self, const char *name, enum msv_dns_type type, struct msv_dns_op op)
{
	struct msv_uv_resolver *resolver = self;
	struct question *q = msv_uv_ask_new(resolver, sizeof(*q), resolver->query_timeout_ms);

	if (!q) {
		msv_op_answer(op.op, resolver->closed ? MSV_ERR_CANCELED : MSV_ERR_NOMEM);
		return;
	}
	q->ask.answered = on_answered;
	q->ask.failed = on_failed;
	q->op = op;
	q->type = type;
	msv_op_on_cancel(op.op, on_cancel, q);
	if (msv_uv_ask(&q->ask, name, (int)type))
		fail(q, MSV_ERR_NOMEM);
}

void msv_uv_dns_init(struct msv_uv_resolver *resolver)
{
	resolver->dns = (struct msv_dns){
		.size = sizeof(resolver->dns),
		.self = resolver,
		.query = query,
	};
}

const struct msv_dns *msv_uv_resolver_dns(struct msv_uv_resolver *resolver)
{
	return &resolver->dns;
}
