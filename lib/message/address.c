#include "message/address.h"

#include <string.h>

void msv_address_reader_init(
    struct msv_address_reader *r, struct msv_env *env, const char *p, size_t n)
{
	r->scan = (struct msv_scan){ p, p ? p + n : p };
	r->in_group = false;
	msv_buf_init(&r->name, env);
	msv_buf_init(&r->route, env);
	msv_buf_init(&r->mailbox, env);
	msv_buf_init(&r->host, env);
	msv_buf_init(&r->comment, env);
}

void msv_address_reader_fini(struct msv_address_reader *r)
{
	msv_buf_fini(&r->name);
	msv_buf_fini(&r->route);
	msv_buf_fini(&r->mailbox);
	msv_buf_fini(&r->host);
	msv_buf_fini(&r->comment);
}

static bool at(const struct msv_address_reader *r, char c)
{
	return r->scan.p < r->scan.end && *r->scan.p == c;
}

static bool at_end(const struct msv_address_reader *r)
{
	return r->scan.p == r->scan.end;
}

/* True where an address ends.  ";" ends a group; outside of one it is what some
 * mailers write for ",". */
static bool at_stop(const struct msv_address_reader *r)
{
	return at_end(r) || at(r, ',') || at(r, ';');
}

static void skip_cfws(struct msv_address_reader *r)
{
	msv_scan_cfws_comment(&r->scan, &r->comment);
}

/* One word: an atom with its dots, a quoted string, or a stray byte (after a
 * backslash, the byte behind it). */
static void read_word(struct msv_address_reader *r, struct msv_buf *out)
{
	struct msv_span atom;

	if (at(r, '"')) {
		msv_scan_quoted(&r->scan, out);
		return;
	}
	atom = msv_scan_dot_atom(&r->scan);
	msv_buf_put(out, atom.p, atom.n);
	if (atom.n == 0) {
		if (at(r, '\\') && r->scan.end - r->scan.p > 1)
			r->scan.p++;
		msv_buf_putc(out, *r->scan.p++);
	}
}

static char last_byte(const struct msv_buf *buf)
{
	size_t n = msv_buf_len(buf);

	return n > 0 ? msv_buf_data(buf)[n - 1] : '\0';
}

/* "[192.0.2.1]" as it stands. */
static void read_literal(struct msv_address_reader *r)
{
	while (!at_end(r) && *r->scan.p != ']')
		msv_buf_putc(&r->host, *r->scan.p++);
	if (at(r, ']'))
		msv_buf_putc(&r->host, *r->scan.p++);
}

/* The domain behind "@" (RFC 5322 4.4: blanks around its dots). */
static void read_domain(struct msv_address_reader *r)
{
	r->scan.p++;
	skip_cfws(r);
	if (at(r, '[')) {
		read_literal(r);
		skip_cfws(r);
		return;
	}
	for (;;) {
		struct msv_span atom = msv_scan_dot_atom(&r->scan);
		const char *before = r->scan.p;

		msv_buf_put(&r->host, atom.p, atom.n);
		skip_cfws(r);
		if (atom.n == 0 || before == r->scan.p)
			return;
		/* Behind a blank the domain goes on only with or after a dot. */
		if (!at(r, '.') && last_byte(&r->host) != '.')
			return;
	}
}

/* "@a,@b:" in front of the address proper; without the colon it is the address,
 * lacking a local part. */
static void read_route(struct msv_address_reader *r)
{
	while (at(r, '@')) {
		msv_buf_clear(&r->host);
		read_domain(r);
		if (msv_buf_len(&r->route) > 0)
			msv_buf_putc(&r->route, ',');
		msv_buf_putc(&r->route, '@');
		msv_buf_put(&r->route, msv_buf_data(&r->host), msv_buf_len(&r->host));
		while (at(r, ',')) {
			r->scan.p++;
			skip_cfws(r);
		}
	}
	if (at(r, ':')) {
		r->scan.p++;
		msv_buf_clear(&r->host);
	} else {
		msv_buf_clear(&r->route);
	}
}

/* True when the place goes on with the local part in `mailbox`: nothing stands
 * between the two, or a dot does (RFC 5322 4.4). */
static bool continues(const struct msv_address_reader *r, bool blank)
{
	return !blank || at(r, '.') || last_byte(&r->mailbox) == '.';
}

/* Words in front of "@" or ">"; a blank between two stays unless at a dot. */
static void read_local_part(struct msv_address_reader *r)
{
	for (;;) {
		const char *before = r->scan.p;

		skip_cfws(r);
		if (at_end(r) || at(r, '@') || at(r, '>') || at(r, ','))
			return;
		if (msv_buf_len(&r->mailbox) > 0 && !continues(r, before != r->scan.p))
			msv_buf_putc(&r->mailbox, ' ');
		read_word(r, &r->mailbox);
	}
}

/* "<...>" at the place; what stands before it was the name. */
static void read_angle(struct msv_address_reader *r)
{
	msv_buf_clear(&r->mailbox);
	msv_buf_clear(&r->host);
	while (at(r, '<')) {
		r->scan.p++;
		skip_cfws(r);
	}
	if (at(r, '@'))
		read_route(r);
	read_local_part(r);
	if (at(r, '@')) {
		msv_buf_clear(&r->host);
		read_domain(r);
	}
	while (!at_end(r) && *r->scan.p != '>' && *r->scan.p != ',')
		r->scan.p++;
	if (at(r, '>'))
		r->scan.p++;
}

/* A word of a phrase.  The last words, those joined by dots, may turn out to be
 * a local part.  blank: something stood before this one. */
static void read_phrase_word(struct msv_address_reader *r, bool blank)
{
	size_t before;

	if (!continues(r, blank)) {
		r->phrase = msv_buf_len(&r->name);
		msv_buf_clear(&r->mailbox);
	}
	if (blank && msv_buf_len(&r->name) > 0)
		msv_buf_putc(&r->name, ' ');
	before = msv_buf_len(&r->name);
	read_word(r, &r->name);
	if (!msv_buf_failed(&r->name))
		msv_buf_put(
		    &r->mailbox, msv_buf_data(&r->name) + before, msv_buf_len(&r->name) - before);
}

/* "@domain" behind words: these were the local part.  As the name of an address
 * in angles they are text all the same. */
static void read_bare_domain(struct msv_address_reader *r)
{
	read_domain(r);
	msv_buf_putc(&r->name, '@');
	msv_buf_put(&r->name, msv_buf_data(&r->host), msv_buf_len(&r->host));
}

/* A word behind an address: only a name in front of "<" can make sense of it. */
static void read_junk(struct msv_address_reader *r, bool blank)
{
	if (blank)
		msv_buf_putc(&r->name, ' ');
	read_word(r, &r->name);
}

/* Behind an address: on to the next stop. */
static void skip_rest(struct msv_address_reader *r)
{
	struct msv_buf *scratch = &r->route;
	size_t keep = msv_buf_len(scratch);

	for (skip_cfws(r); !at_stop(r); skip_cfws(r)) {
		read_word(r, scratch);
		msv_buf_truncate(scratch, keep);
	}
}

enum form { NOTHING, WORDS, BARE, ANGLE, GROUP };

/* Reads up to the next stop; what it was. */
static enum form read_element(struct msv_address_reader *r)
{
	enum form form = NOTHING;
	const char *end = r->scan.p; /* of what was read last */

	for (skip_cfws(r); !at_stop(r); skip_cfws(r)) {
		/* Behind a domain the blanks are read already. */
		bool blank = r->scan.p != end || (form == BARE && msv_is_blank(r->scan.p[-1]));

		if (at(r, '<')) {
			read_angle(r);
			skip_rest(r);
			return ANGLE;
		}
		if (at(r, ':') && form == WORDS && !r->in_group) {
			r->scan.p++;
			return GROUP;
		}
		if (at(r, '@') && form != BARE) {
			read_bare_domain(r);
			form = BARE;
		} else if (form == BARE) {
			read_junk(r, blank);
		} else {
			read_phrase_word(r, blank);
			form = WORDS;
		}
		end = r->scan.p;
	}
	return form;
}

static void set(const char **p, size_t *n, const struct msv_buf *buf)
{
	*p = msv_buf_len(buf) > 0 ? msv_buf_data(buf) : "";
	*n = msv_buf_len(buf);
}

/* How much of r->name is the name. */
static size_t name_length(const struct msv_address_reader *r, enum form form)
{
	/* "Joe Doe joe@example.com" lacks the angles. */
	return form == BARE ? r->phrase : form == WORDS ? 0 : msv_buf_len(&r->name);
}

static void set_name(struct msv_address_reader *r, enum form form, struct msv_address_item *out)
{
	msv_buf_truncate(&r->name, name_length(r, form));
	if (msv_buf_len(&r->name) > 0 || form == GROUP)
		set(&out->name, &out->name_len, &r->name);
	else if (msv_buf_len(&r->comment) > 0)
		set(&out->name, &out->name_len, &r->comment);
}

/* Words without an address: one is a local part, several are a name. */
static void settle_words(struct msv_address_reader *r, enum form *form)
{
	if (*form != WORDS || r->phrase == 0)
		return;
	msv_buf_clear(&r->mailbox);
	*form = ANGLE;
}

static int give(struct msv_address_reader *r, enum form form, struct msv_address_item *out)
{
	if (msv_buf_failed(&r->name) || msv_buf_failed(&r->route) || msv_buf_failed(&r->mailbox) ||
	    msv_buf_failed(&r->host) || msv_buf_failed(&r->comment))
		return MSV_ERR_NOMEM;
	settle_words(r, &form);
	set_name(r, form, out);
	if (form == GROUP) {
		out->kind = MSV_ADDRESS_GROUP;
		r->in_group = true;
		return 1;
	}
	if (msv_buf_len(&r->route) > 0)
		set(&out->route, &out->route_len, &r->route);
	set(&out->mailbox, &out->mailbox_len, &r->mailbox);
	if (form != WORDS)
		set(&out->host, &out->host_len, &r->host);
	return 1;
}

static int end_group(struct msv_address_reader *r, struct msv_address_item *out)
{
	if (!r->in_group)
		return 0;
	r->in_group = false;
	out->kind = MSV_ADDRESS_GROUP_END;
	return 1;
}

int msv_address_next(struct msv_address_reader *r, struct msv_address_item *out)
{
	memset(out, 0, sizeof *out);
	for (;;) {
		enum form form;

		msv_buf_clear(&r->name);
		msv_buf_clear(&r->route);
		msv_buf_clear(&r->mailbox);
		msv_buf_clear(&r->host);
		msv_buf_clear(&r->comment);
		r->phrase = 0;
		form = read_element(r);
		if (form != NOTHING)
			return give(r, form, out);
		if (at_end(r))
			return end_group(r, out);
		if (*r->scan.p++ == ';' && r->in_group)
			return end_group(r, out);
	}
}
