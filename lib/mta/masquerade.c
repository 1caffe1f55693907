/* Addresses of inner hosts, shown outside as others: in the envelope and in the
 * header fields that say whom a message is from. */
#include <string.h>

#include "codec/casefold.h"
#include "codec/token.h"
#include "message/header.h"
#include "mta/aliases.h"

void msv_masquerade_init(struct msv_masquerade *m, struct msv_env *env)
{
	m->env = env;
	msv_table_init(&m->table, env);
}

void msv_masquerade_fini(struct msv_masquerade *m)
{
	msv_table_fini(&m->table);
}

/* -- The table -------------------------------------------------------------------- */

/* Reads "@example.org", or with dots allowed "@.example.org", into the domain of
 * out.  0 or MSV_ERR_FORMAT. */
static int read_domain(const char *text, bool dots, struct msv_smtp_mailbox *out)
{
	const char *domain = text + 1 + (dots && text[1] == '.');

	return *text == '@' ? msv_alias_compose("x", domain, out) : MSV_ERR_FORMAT;
}

/* Adds a key of folded local part and domain; below: it stands for those below. */
static int add_row(
    struct msv_masquerade *m, const char *local, const char *domain, bool below, const char *to)
{
	struct msv_buf key;

	msv_buf_init(&key, m->env);
	msv_buf_puts(&key, below ? "." : "");
	int error = msv_alias_fold(local, domain, &key);
	const char *text = error ? NULL : msv_buf_cstr(&key);
	error = text ? msv_table_add(&m->table, text, to) : MSV_ERR_NOMEM;
	msv_buf_fini(&key);
	return error;
}

int msv_masquerade_add(
    struct msv_masquerade *m, const char *from, const char *to, const char **mistake)
{
	struct msv_smtp_mailbox box, other;

	*mistake = NULL;
	if (*from == '@') {
		if (read_domain(from, true, &box) == 0 && read_domain(to, false, &other) == 0)
			return add_row(m, "", box.domain, from[1] == '.', to);
		*mistake = "a domain stands for a domain; write @host.example.org and @example.org";
	} else {
		if (msv_smtp_mailbox_parse(from, strlen(from), &box) == 0 &&
		    msv_smtp_mailbox_parse(to, strlen(to), &other) == 0)
			return add_row(m, box.local, box.domain, false, to);
		*mistake = "an address stands for an address; write root@host.example.org and "
		           "admin@example.org";
	}
	return MSV_ERR_FORMAT;
}

/* -- One address ------------------------------------------------------------------ */

/* The row for the domain in the folded text "@domain" or for one above it. */
static const struct msv_table_row *find_domain(
    struct msv_masquerade *m, const char *domain, struct msv_buf *scratch)
{
	size_t n;
	const struct msv_table_row *row = msv_table_find(&m->table, domain, &n);

	for (const char *dot = strchr(domain, '.'); dot && !row; dot = strchr(dot + 1, '.')) {
		msv_buf_clear(scratch);
		msv_buf_puts(scratch, ".@");
		msv_buf_puts(scratch, dot + 1);
		const char *key = msv_buf_cstr(scratch);
		row = key ? msv_table_find(&m->table, key, &n) : NULL;
	}
	return row;
}

int msv_masquerade_address(
    struct msv_masquerade *m, const struct msv_smtp_address *address, struct msv_smtp_mailbox *out)
{
	struct msv_buf key, scratch;
	const struct msv_table_row *row = NULL;
	size_t n;

	if (!*address->domain || !m->table.n)
		return 0;
	msv_buf_init(&key, m->env);
	msv_buf_init(&scratch, m->env);
	int error = msv_alias_fold(address->local, address->domain, &key);
	const char *text = error ? NULL : msv_buf_cstr(&key);
	if (text && !(row = msv_table_find(&m->table, text, &n)))
		row = find_domain(m, strrchr(text, '@'), &scratch);
	if (!text || msv_buf_failed(&scratch))
		error = MSV_ERR_NOMEM;
	msv_buf_fini(&key);
	msv_buf_fini(&scratch);
	if (error || !row)
		return error;
	error = *row->value == '@' ? msv_alias_compose(address->local, row->value + 1, out)
	                           : msv_smtp_mailbox_parse(row->value, strlen(row->value), out);
	return error == 0;
}

/* -- Header fields ---------------------------------------------------------------- */

struct rewriting {
	struct msv_masquerade *m;
	const char *p; /* the section */
	size_t copied; /* octets of it that are in out */
	struct msv_buf *out;
	struct msv_buf word; /* the last word, quotes undone */
	const char *word_at; /* where it begins; NULL: the last token was none */
	bool dots;           /* it is in pieces with dots and blanks (RFC 5322 4.4) */
};

/* Puts the other address in place of the octets from word_at to end. */
static int put(struct rewriting *r, const struct msv_smtp_mailbox *other, const char *end)
{
	size_t from = (size_t)(r->word_at - r->p);

	msv_buf_put(r->out, r->p + r->copied, from - r->copied);
	msv_buf_puts(r->out, other->address);
	r->copied = (size_t)(end - r->p);
	return msv_buf_failed(r->out) ? MSV_ERR_NOMEM : 0;
}

/* An address with that domain stands from word_at to end. */
static int take_address(struct rewriting *r, struct msv_span domain, const char *end)
{
	char name[MSV_SMTP_DOMAIN_MAX + 1];
	struct msv_smtp_mailbox box, other;
	const char *local = msv_buf_cstr(&r->word);

	if (!local)
		return MSV_ERR_NOMEM;
	if (!domain.n || domain.n >= sizeof name || msv_buf_len(&r->word) != strlen(local))
		return 0;
	memcpy(name, domain.p, domain.n);
	name[domain.n] = '\0';
	if (msv_alias_compose(local, name, &box) != 0)
		return 0;
	struct msv_smtp_address address = msv_smtp_address_of(&box);
	int found = msv_masquerade_address(r->m, &address, &other);
	return found > 0 ? put(r, &other, end) : found;
}

static struct msv_span read_literal(struct msv_scan *s)
{
	const char *start = s->p;

	while (s->p < s->end && *s->p++ != ']')
		;
	return (struct msv_span){ start, (size_t)(s->p - start) };
}

/* "@" and a domain, behind the local part in `word`. */
static int take_at(struct rewriting *r, struct msv_scan *s)
{
	s->p++;
	msv_scan_cfws(s);
	bool literal = s->p < s->end && *s->p == '[';
	struct msv_span domain = literal ? read_literal(s) : msv_scan_dot_atom(s);
	const char *end = s->p;
	msv_scan_cfws(s);
	/* A domain in pieces stays as it is. */
	bool whole = (s->p == s->end || *s->p != '.') && domain.n && domain.p[domain.n - 1] != '.';
	int error = r->word_at && !r->dots && whole ? take_address(r, domain, end) : 0;
	r->word_at = NULL;
	return error;
}

/* A word, which may turn out to be a local part. */
static void take_word(struct rewriting *r, struct msv_scan *s)
{
	size_t n = msv_buf_len(&r->word);
	bool goes_on = r->word_at && n && msv_buf_data(&r->word)[n - 1] == '.';

	msv_buf_clear(&r->word);
	r->dots = *s->p == '.' || goes_on;
	r->word_at = s->p;
	if (*s->p == '"') {
		msv_scan_quoted(s, &r->word);
		return;
	}
	struct msv_span atom = msv_scan_dot_atom(s);
	msv_buf_put(&r->word, atom.p, atom.n);
	if (!atom.n) {
		r->word_at = NULL;
		s->p++;
	}
}

/* The addresses in the value of a field. */
static int rewrite_value(struct rewriting *r, struct msv_scan s)
{
	int error = 0;

	r->word_at = NULL;
	r->dots = false;
	for (msv_scan_cfws(&s); s.p < s.end && !error; msv_scan_cfws(&s)) {
		if (*s.p == '@')
			error = take_at(r, &s);
		else
			take_word(r, &s);
	}
	return error ? error : msv_buf_failed(&r->word) ? MSV_ERR_NOMEM : 0;
}

/* Fields that say whom a message is from (RFC 5322 3.6.2, 3.6.6). */
static bool is_origin(const struct msv_header_field *field)
{
	static const char *const names[] = { "From", "Sender", "Reply-To", "Resent-From",
		"Resent-Sender", "Resent-Reply-To" };

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (msv_header_is(field, names[i]))
			return true;
	return false;
}

/* MSV_ERR_DENIED: the message is signed. */
static int on_field(void *user, const struct msv_header_field *field)
{
	struct rewriting *r = user;
	const char *p = r->p + field->start, *end = p + field->len;

	if (msv_header_is(field, "DKIM-Signature"))
		return MSV_ERR_DENIED;
	const char *colon = is_origin(field) ? memchr(p, ':', field->len) : NULL;
	return colon ? rewrite_value(r, (struct msv_scan){ colon + 1, end }) : 0;
}

/* Reads the whole section.  0, MSV_ERR_DENIED, MSV_ERR_NOMEM. */
static int rewrite(struct rewriting *r, size_t n)
{
	struct msv_header_reader reader;

	/* Only names and places are wanted of the fields. */
	msv_header_reader_init(&reader, r->m->env, 1, on_field, r);
	int error = msv_header_reader_push(&reader, r->p, n, NULL);
	if (error == 0)
		error = msv_header_reader_end(&reader);
	msv_header_reader_fini(&reader);
	return error < 0 ? error : 0;
}

int msv_masquerade_header(struct msv_masquerade *m, const char *p, size_t n, struct msv_buf *out)
{
	struct rewriting r = { .m = m, .p = p, .out = out };
	size_t before = msv_buf_len(out);

	msv_buf_init(&r.word, m->env);
	int error = m->table.n ? rewrite(&r, n) : 0;
	if (!error && r.copied)
		msv_buf_put(out, p + r.copied, n - r.copied);
	if (!error && msv_buf_failed(out))
		error = MSV_ERR_NOMEM;
	msv_buf_fini(&r.word);
	if (error)
		msv_buf_truncate(out, before);
	return error == MSV_ERR_DENIED ? 0 : error ? error : r.copied > 0;
}
