/* The contents of a passwd-file after an edit. */
#include "auth/auth.h"

#include <string.h>

#include "codec/casefold.h"

/* -- What may be written ------------------------------------------------------------ */

/* A field that ends nothing: no colon, no control character. */
static bool field_valid(const char *s)
{
	for (; s && *s; s++) {
		if ((unsigned char)*s < 0x20 || *s == 0x7f || *s == ':')
			return false;
	}
	return true;
}

/* A name the parser will take for one: not a comment, no blanks around. */
static bool user_valid(const char *user)
{
	return msv_account_name_valid(user) && field_valid(user) && *user != '#' && *user != ' ' &&
	       user[strlen(user) - 1] != ' ';
}

static bool scram_valid(const char *scram)
{
	struct msv_scram_value keys;

	bool ok = !scram || msv_scram_parse(MSV_SHA256, scram, &keys) == 0;
	explicit_bzero(&keys, sizeof(keys));
	return ok;
}

int msv_passwd_edit_valid(const struct msv_passwd_edit *edit)
{
	bool writes = edit->kind != MSV_PASSWD_REMOVE;

	if (!user_valid(edit->user) || (writes && !edit->hash))
		return MSV_ERR_FORMAT;
	return field_valid(edit->hash) && field_valid(edit->home) && scram_valid(edit->scram)
	           ? 0
	           : MSV_ERR_FORMAT;
}

/* -- Writing lines ------------------------------------------------------------------- */

static void put_span(struct msv_buf *out, struct msv_span s)
{
	msv_buf_put(out, s.p, s.n);
}

/* What came before must end in a line end. */
static void end_line(struct msv_buf *out)
{
	size_t n = msv_buf_len(out);

	if (n && msv_buf_data(out)[n - 1] != '\n')
		msv_buf_putc(out, '\n');
}

static void put_scram(struct msv_buf *out, const char *scram)
{
	msv_buf_puts(out, MSV_PASSWD_SCRAM_KEY "=");
	msv_buf_puts(out, scram);
}

static void add_line(const struct msv_passwd_edit *edit, struct msv_buf *out)
{
	end_line(out);
	msv_buf_puts(out, edit->user);
	msv_buf_putc(out, ':');
	msv_buf_puts(out, edit->hash);
	msv_buf_puts(out, "::::");
	msv_buf_puts(out, edit->home ? edit->home : "");
	msv_buf_puts(out, "::");
	if (edit->scram)
		put_scram(out, edit->scram);
	msv_buf_putc(out, '\n');
}

/* The extra field without the old keys and with the new. */
static void put_extra(struct msv_buf *out, struct msv_span extra, const char *scram)
{
	struct msv_span rest = extra, word;
	bool had = false, some = false;

	while (msv_passwd_next_word(&rest, &word))
		had = had || msv_passwd_word_is(word, MSV_PASSWD_SCRAM_KEY);
	if (!had && !scram) {
		put_span(out, extra);
		return;
	}
	for (rest = extra; msv_passwd_next_word(&rest, &word);) {
		if (msv_passwd_word_is(word, MSV_PASSWD_SCRAM_KEY))
			continue;
		if (some)
			msv_buf_putc(out, ' ');
		put_span(out, word);
		some = true;
	}
	if (scram) {
		if (some)
			msv_buf_putc(out, ' ');
		put_scram(out, scram);
	}
}

static void change_line(
    const struct msv_passwd_edit *edit, const struct msv_passwd_line *line, struct msv_buf *out)
{
	unsigned n = edit->scram ? MSV_PASSWD_FIELDS : line->nfields;

	put_span(out, line->mark);
	put_span(out, line->field[MSV_PASSWD_USER]);
	msv_buf_putc(out, ':');
	msv_buf_puts(out, edit->hash);
	for (unsigned i = MSV_PASSWD_UID; i < n; i++) {
		msv_buf_putc(out, ':');
		if (i == MSV_PASSWD_EXTRA)
			put_extra(out, line->field[i], edit->scram);
		else
			put_span(out, line->field[i]);
	}
	put_span(out, line->end);
	if (!line->finished)
		msv_buf_putc(out, '\n');
}

/* -- The whole ------------------------------------------------------------------------- */

/* True for lines of the user, broken ones too. */
static bool is_of(const struct msv_passwd_line *line, const char *user)
{
	struct msv_span name = line->field[MSV_PASSWD_USER];

	return !line->blank && line->nfields > 1 && msv_ascii_equals(name.p, name.n, user);
}

/* Copies, changes or leaves out one line. */
static int rewrite_line(const struct msv_passwd_edit *edit, const struct msv_passwd_line *line,
    struct msv_span whole, bool *found, struct msv_buf *out)
{
	if (!is_of(line, edit->user)) {
		/* It would no longer be true. */
		if (!line->says_empty || edit->kind != MSV_PASSWD_ADD)
			put_span(out, whole);
		return 0;
	}
	if (edit->kind == MSV_PASSWD_ADD)
		return MSV_ERR_EXISTS;
	/* All lines of a name are meant: should the first one go, no old password
	 * comes to life in the next. */
	if (edit->kind == MSV_PASSWD_CHANGE)
		change_line(edit, line, out);
	*found = true;
	return 0;
}

/* When no account is left the file says that this is meant. */
static int say_empty(struct msv_buf *out)
{
	struct msv_passwd_table *left;
	int error = msv_buf_failed(out) ? MSV_ERR_NOMEM : 0;

	if (error || (error = msv_passwd_table_new(
	                  out->env, "", msv_buf_data(out), msv_buf_len(out), &left)))
		return error;
	if (left->n == 0 && !left->says_empty) {
		end_line(out);
		error = msv_buf_puts(out, MSV_PASSWD_EMPTY_LINE "\n");
	}
	msv_passwd_table_unref(left);
	return error;
}

int msv_passwd_rewrite(
    const struct msv_passwd_edit *edit, struct msv_span text, struct msv_buf *out)
{
	bool found = false;
	struct msv_passwd_line line;

	while (text.n) {
		const char *begin = text.p;
		msv_passwd_next_line(&text, &line);
		struct msv_span whole = { begin, (size_t)(text.p - begin) };
		int error = rewrite_line(edit, &line, whole, &found, out);
		if (error)
			return error;
	}
	if (edit->kind == MSV_PASSWD_ADD) {
		add_line(edit, out);
	} else if (!found) {
		return MSV_ERR_NOTFOUND;
	} else if (edit->kind == MSV_PASSWD_REMOVE) {
		return say_empty(out);
	}
	return msv_buf_failed(out) ? MSV_ERR_NOMEM : 0;
}
