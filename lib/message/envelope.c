#include "message/envelope.h"

#include "message/address.h"
#include "message/imapstring.h"

/*
 * An absent host marks a group (RFC 3501 7.4.2), so that an address without a
 * domain, which RFC 5322 does not know, has an empty one.
 */
static void put_mailbox(struct msv_buf *out, const struct msv_address_item *a)
{
	msv_buf_putc(out, '(');
	msv_imap_put_nstring(out, a->name, a->name_len);
	msv_buf_putc(out, ' ');
	msv_imap_put_nstring(out, a->route, a->route_len);
	msv_buf_putc(out, ' ');
	msv_imap_put_string(out, a->mailbox, a->mailbox_len);
	msv_buf_putc(out, ' ');
	msv_imap_put_string(out, a->host ? a->host : "", a->host_len);
	msv_buf_putc(out, ')');
}

static void put_item(struct msv_buf *out, const struct msv_address_item *a)
{
	if (a->kind == MSV_ADDRESS_MAILBOX) {
		put_mailbox(out, a);
	} else if (a->kind == MSV_ADDRESS_GROUP) {
		msv_buf_puts(out, "(NIL NIL ");
		msv_imap_put_string(out, a->name, a->name_len);
		msv_buf_puts(out, " NIL)");
	} else {
		msv_buf_puts(out, "(NIL NIL NIL NIL)");
	}
}

/* Appends the list, or nothing when there is no address.  0 or MSV_ERR_NOMEM. */
static int put_list(const char *p, size_t n, struct msv_buf *out)
{
	struct msv_address_reader reader;
	struct msv_address_item item;
	bool any = false;
	int rc;

	msv_address_reader_init(&reader, out->env, p, n);
	while ((rc = msv_address_next(&reader, &item)) > 0) {
		if (!any)
			msv_buf_putc(out, '(');
		any = true;
		put_item(out, &item);
	}
	if (any)
		msv_buf_putc(out, ')');
	msv_address_reader_fini(&reader);
	return rc < 0 ? rc : msv_buf_failed(out) ? MSV_ERR_NOMEM : 0;
}

int msv_envelope_write_addresses(const char *p, size_t n, struct msv_buf *out)
{
	size_t before = msv_buf_len(out);
	int rc = put_list(p, n, out);

	if (rc == 0 && msv_buf_len(out) == before)
		rc = msv_buf_puts(out, "NIL");
	return rc;
}

/* The field's addresses; those of `instead` when it has none. */
static int put_addresses(const struct msv_envelope *envelope, enum msv_field field,
    enum msv_field instead, struct msv_buf *out)
{
	const struct msv_span *f = &envelope->field[field];
	size_t before = msv_buf_len(out);
	int rc = put_list(f->p, f->n, out);

	if (rc < 0 || msv_buf_len(out) > before)
		return rc;
	f = &envelope->field[instead];
	return msv_envelope_write_addresses(f->p, f->n, out);
}

/* How each member is written: as a string, or as addresses with what stands in
 * for them. */
static const struct {
	bool addresses;
	enum msv_field instead;
} members[MSV_FIELD_COUNT] = {
	[MSV_FIELD_FROM] = { true, MSV_FIELD_FROM },
	[MSV_FIELD_SENDER] = { true, MSV_FIELD_FROM },
	[MSV_FIELD_REPLY_TO] = { true, MSV_FIELD_FROM },
	[MSV_FIELD_TO] = { true, MSV_FIELD_TO },
	[MSV_FIELD_CC] = { true, MSV_FIELD_CC },
	[MSV_FIELD_BCC] = { true, MSV_FIELD_BCC },
};

int msv_envelope_write(const struct msv_envelope *envelope, struct msv_buf *out)
{
	int rc = 0;

	msv_buf_putc(out, '(');
	for (int i = 0; i < MSV_FIELD_COUNT && rc == 0; i++) {
		const struct msv_span *f = &envelope->field[i];

		if (i > 0)
			msv_buf_putc(out, ' ');
		if (members[i].addresses)
			rc = put_addresses(envelope, (enum msv_field)i, members[i].instead, out);
		else
			rc = msv_imap_put_nstring(out, f->p, f->n);
	}
	msv_buf_putc(out, ')');
	return rc < 0 ? rc : msv_buf_failed(out) ? MSV_ERR_NOMEM : 0;
}
