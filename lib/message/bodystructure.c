#include "message/bodystructure.h"

#include "message/envelope.h"
#include "message/imapstring.h"

/*
 * Written part by part without recursion: begin() when a part is reached, end()
 * when all inside it is written.
 */

static void put_space_string(struct msv_buf *out, const char *s)
{
	msv_buf_putc(out, ' ');
	msv_imap_put_cstring(out, s);
}

/* body-fld-param.  A text part without a charset has the default one said (RFC
 * 2045 5.2). */
static void put_params(struct msv_buf *out, const struct msv_params *params, bool text)
{
	bool charset =
	    text && !msv_params_get(params, "charset") && !msv_params_get(params, "charset*");

	if (params->n == 0 && !charset) {
		msv_buf_puts(out, " NIL");
		return;
	}
	msv_buf_puts(out, " (");
	for (size_t i = 0; i < params->n; i++) {
		if (i > 0)
			msv_buf_putc(out, ' ');
		msv_imap_put_cstring(out, params->v[i].name);
		put_space_string(out, params->v[i].value);
	}
	if (charset)
		msv_buf_puts(
		    out, params->n > 0 ? " \"charset\" \"us-ascii\"" : "\"charset\" \"us-ascii\"");
	msv_buf_putc(out, ')');
}

/* body-fields: what all but multiparts have. */
static void put_fields(struct msv_buf *out, const struct msv_part *part)
{
	const struct msv_content *c = &part->content;

	msv_imap_put_cstring(out, c->type);
	put_space_string(out, c->subtype);
	put_params(out, &c->params, msv_part_is(part, "text", NULL));
	put_space_string(out, c->id);
	put_space_string(out, c->description);
	put_space_string(out, c->encoding ? c->encoding : "7bit");
	msv_buf_printf(out, " %llu", (unsigned long long)part->body.wire_len);
}

static void put_lines(struct msv_buf *out, const struct msv_part *part)
{
	msv_buf_printf(out, " %llu", (unsigned long long)part->body.lines);
}

static void put_disposition(struct msv_buf *out, const struct msv_content *c)
{
	if (!c->disposition) {
		msv_buf_puts(out, " NIL");
		return;
	}
	msv_buf_puts(out, " (");
	msv_imap_put_cstring(out, c->disposition);
	put_params(out, &c->disposition_params, false);
	msv_buf_putc(out, ')');
}

static void put_language(struct msv_buf *out, const struct msv_content *c)
{
	if (!c->language) {
		msv_buf_puts(out, " NIL");
		return;
	}
	msv_buf_puts(out, " (");
	for (size_t i = 0; c->language[i]; i++) {
		if (i > 0)
			msv_buf_putc(out, ' ');
		msv_imap_put_cstring(out, c->language[i]);
	}
	msv_buf_putc(out, ')');
}

/* The extension data behind MD5 (body-ext-1part) or parameters (body-ext-mpart). */
static void put_extension(struct msv_buf *out, const struct msv_content *c)
{
	put_disposition(out, c);
	put_language(out, c);
	put_space_string(out, c->location);
}

static void begin(struct msv_buf *out, const struct msv_part *part)
{
	msv_buf_putc(out, '(');
	if (part->kind == MSV_PART_MULTIPART)
		return;
	put_fields(out, part);
	if (part->kind == MSV_PART_MESSAGE) {
		msv_buf_putc(out, ' ');
		msv_envelope_write(part->first_child->envelope, out);
		msv_buf_putc(out, ' ');
	}
}

static void end_multipart(struct msv_buf *out, const struct msv_part *part, bool extended)
{
	/* The grammar wants a part in every multipart. */
	if (!part->first_child)
		msv_buf_puts(
		    out, "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0");
	if (!part->first_child)
		msv_buf_puts(out, extended ? " NIL NIL NIL NIL)" : ")");
	put_space_string(out, part->content.subtype);
	if (!extended)
		return;
	put_params(out, &part->content.params, false);
	put_extension(out, &part->content);
}

static void end_single(struct msv_buf *out, const struct msv_part *part, bool extended)
{
	if (part->kind == MSV_PART_MESSAGE || msv_part_is(part, "text", NULL))
		put_lines(out, part);
	if (!extended)
		return;
	put_space_string(out, part->content.md5);
	put_extension(out, &part->content);
}

static void end(struct msv_buf *out, const struct msv_part *part, bool extended)
{
	if (part->kind == MSV_PART_MULTIPART)
		end_multipart(out, part, extended);
	else
		end_single(out, part, extended);
	msv_buf_putc(out, ')');
}

int msv_bodystructure_write(const struct msv_mime *mime, bool extended, struct msv_buf *out)
{
	const struct msv_part *part = mime->root;

	begin(out, part);
	while (part) {
		if (part->first_child) {
			part = part->first_child;
			begin(out, part);
			continue;
		}
		end(out, part, extended);
		while (!part->next && part->parent) {
			part = part->parent;
			end(out, part, extended);
		}
		part = part->next;
		if (part)
			begin(out, part);
	}
	return msv_buf_failed(out) ? MSV_ERR_NOMEM : 0;
}
