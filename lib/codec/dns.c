/* Answers of the DNS: from the bytes of records (RFC 1035 3.3) to text. */
#include <mailserv/dns.h>

#include <arpa/inet.h>
#include <string.h>

#include "base/buf.h"
#include "base/op.h"

/* -- Texts of records --------------------------------------------------------- */

static int put_address(struct msv_buf *out, int family, size_t width, struct msv_span rdata)
{
	char text[INET6_ADDRSTRLEN];

	if (rdata.n != width || !inet_ntop(family, rdata.p, text, sizeof(text)))
		return MSV_ERR_FORMAT;
	return msv_buf_puts(out, text);
}

static int put_a(struct msv_buf *out, struct msv_span rdata)
{
	return put_address(out, AF_INET, 4, rdata);
}

static int put_aaaa(struct msv_buf *out, struct msv_span rdata)
{
	return put_address(out, AF_INET6, 16, rdata);
}

/* A byte of a label, in lower case or escaped. */
static void put_label_byte(struct msv_buf *out, unsigned char c)
{
	if (c >= 'A' && c <= 'Z')
		msv_buf_putc(out, (char)(c - 'A' + 'a'));
	else if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_')
		msv_buf_putc(out, (char)c);
	else
		msv_buf_printf(out, "\\%03u", c);
}

/* A name that fills all of the bytes (RFC 1035 3.1). */
static int put_name(struct msv_buf *out, struct msv_span rdata)
{
	size_t at = 0;

	if (rdata.n > 255)
		return MSV_ERR_FORMAT;
	while (at < rdata.n && rdata.p[at]) {
		size_t label = (unsigned char)rdata.p[at++];

		if (label > 63 || label > rdata.n - at)
			return MSV_ERR_FORMAT;
		if (msv_buf_len(out))
			msv_buf_putc(out, '.');
		for (; label; label--)
			put_label_byte(out, (unsigned char)rdata.p[at++]);
	}
	return at + 1 == rdata.n ? 0 : MSV_ERR_FORMAT;
}

static int put_exchange(struct msv_buf *out, struct msv_span rdata)
{
	return rdata.n < 2 ? MSV_ERR_FORMAT
	                   : put_name(out, (struct msv_span){ rdata.p + 2, rdata.n - 2 });
}

/* Character strings, one after the other (RFC 1035 3.3.14). */
static int put_strings(struct msv_buf *out, struct msv_span rdata)
{
	size_t at = 0;

	while (at < rdata.n) {
		size_t n = (unsigned char)rdata.p[at++];

		if (n > rdata.n - at)
			return MSV_ERR_FORMAT;
		msv_buf_put(out, rdata.p + at, n);
		at += n;
	}
	return rdata.n ? 0 : MSV_ERR_FORMAT;
}

static const struct {
	enum msv_dns_type type;
	int (*put)(struct msv_buf *out, struct msv_span rdata);
} types[] = {
	{ MSV_DNS_A, put_a },
	{ MSV_DNS_AAAA, put_aaaa },
	{ MSV_DNS_CNAME, put_name },
	{ MSV_DNS_MX, put_exchange },
	{ MSV_DNS_PTR, put_name },
	{ MSV_DNS_TXT, put_strings },
};

/* The text of a record's bytes; nothing for types that have none. */
static int put_text(struct msv_buf *out, enum msv_dns_type type, struct msv_span rdata)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (types[i].type == type)
			return types[i].put(out, rdata);
	return 0;
}

/* -- The answer ------------------------------------------------------------------ */

/* Bytes in the op's memory with a NUL behind them, or NULL. */
static char *keep(struct msv_op *op, const char *p, size_t n)
{
	char *copy = msv_op_alloc(op, n + 1);

	if (copy && n)
		memcpy(copy, p, n);
	return copy;
}

static int keep_text(
    struct msv_op *op, enum msv_dns_type type, struct msv_dns_record *r, struct msv_span rdata)
{
	struct msv_buf text;
	int error;

	msv_buf_init(&text, msv_op_env(op));
	error = put_text(&text, type, rdata);
	r->text_len = msv_buf_len(&text);
	r->text = error ? NULL : keep(op, msv_buf_data(&text), r->text_len);
	if (!error && (!r->text || msv_buf_failed(&text)))
		error = MSV_ERR_NOMEM;
	msv_buf_fini(&text);
	return error;
}

static int keep_record(struct msv_op *op, enum msv_dns_type type, struct msv_dns_record *r,
    const struct msv_dns_record *given)
{
	struct msv_span rdata = given->rdata;

	r->preference = given->preference;
	r->rdata.n = rdata.n;
	r->rdata.p = keep(op, rdata.p, rdata.n);
	if (!r->rdata.p)
		return MSV_ERR_NOMEM;
	if (!given->text) {
		if (type == MSV_DNS_MX && rdata.n >= 2)
			r->preference =
			    (uint16_t)((unsigned char)rdata.p[0] << 8 | (unsigned char)rdata.p[1]);
		return keep_text(op, type, r, rdata);
	}
	r->text_len = given->text_len ? given->text_len : strlen(given->text);
	r->text = keep(op, given->text, r->text_len);
	return r->text ? 0 : MSV_ERR_NOMEM;
}

static int keep_records(struct msv_op *op, enum msv_dns_type type, struct msv_dns_answer *a)
{
	const struct msv_dns_record *given = a->records;
	struct msv_dns_record *records;

	if ((a->status == MSV_DNS_FOUND) == !a->nrecords)
		return MSV_ERR_FORMAT;
	records = msv_op_alloc(op, (a->nrecords + 1) * sizeof(*records));
	if (!records)
		return MSV_ERR_NOMEM;
	a->records = records;
	for (size_t i = 0; i < a->nrecords; i++) {
		int error = keep_record(op, type, &records[i], &given[i]);

		if (error)
			return error;
	}
	return 0;
}

void msv_dns_answer(
    struct msv_dns_op op, enum msv_dns_type type, const struct msv_dns_answer *answer)
{
	struct msv_dns_answer *copy = msv_op_alloc(op.op, sizeof(*copy));
	int error = MSV_ERR_NOMEM;

	if (copy) {
		memcpy(copy, answer, answer->size < sizeof(*copy) ? answer->size : sizeof(*copy));
		copy->size = sizeof(*copy);
		copy->canonical = msv_op_strdup(op.op, copy->canonical ? copy->canonical : "");
		error = copy->canonical ? keep_records(op.op, type, copy) : MSV_ERR_NOMEM;
	}
	msv_op_complete(op.op, error, copy);
}
