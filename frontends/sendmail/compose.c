/* From what a program writes to a message that can be sent. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "sendmail.h"

/* Beyond this nobody takes it. */
#define MESSAGE_MAX ((size_t)256 << 20)

struct text {
	char *p;
	size_t n, cap;
};

static int put(struct text *text, const char *p, size_t n)
{
	if (text->n + n + 1 > text->cap) {
		size_t cap = 2 * (text->n + n) + 4096;
		char *grown = realloc(text->p, cap);
		if (!grown)
			return -1;
		text->p = grown;
		text->cap = cap;
	}
	if (n)
		memcpy(text->p + text->n, p, n);
	text->n += n;
	text->p[text->n] = '\0';
	return 0;
}

/* Is the line a field of that name? */
static bool is_field(const char *line, size_t n, const char *name)
{
	size_t nname = strlen(name);
	return n > nname && strncasecmp(line, name, nname) == 0 &&
	       line[nname + strspn(line + nname, " \t")] == ':';
}

/* A line that a header section may have: a field or the rest of one. */
static bool in_header(const char *line, size_t n)
{
	const char *colon = memchr(line, ':', n);
	if (*line == ' ' || *line == '\t')
		return true;
	return colon && colon > line && !memchr(line, ' ', (size_t)(colon - line));
}

/* A From field of our own; what would break it is left out. */
static int put_from(struct text *out, const struct composing *how)
{
	char *name = strdup(how->full_name ? how->full_name : "");
	char *field = NULL;
	size_t to = 0;
	for (size_t i = 0; name && name[i]; i++)
		if ((unsigned char)name[i] >= ' ' && !strchr("\"\\", name[i]))
			name[to++] = name[i];
	if (name)
		name[to] = '\0';
	int n = !name   ? -1
	        : *name ? asprintf(&field, "From: \"%s\" <%s>\r\n", name, how->from)
	                : asprintf(&field, "From: <%s>\r\n", how->from);
	int error = n < 0 ? -1 : put(out, field, (size_t)n);
	free(name);
	free(field);
	return error;
}

struct reading {
	struct text *out;
	size_t header; /* octets of the header section; fixed once `over` */
	bool over, has_from;
};

/* Bcc stands in no message; From is made when there is none. */
static int take_header_line(
    struct reading *r, const struct composing *how, const char *line, size_t n)
{
	if (n == 0 || !in_header(line, n)) {
		r->over = true;
		if (!r->has_from && how->from) {
			if (put_from(r->out, how) != 0)
				return -1;
		}
		r->header = r->out->n;
		/* A body that begins at once still has an empty line before it. */
		return n > 0 ? put(r->out, "\r\n", 2) : 0;
	}
	if (is_field(line, n, "From"))
		r->has_from = true;
	return 0;
}

/* Puts the line without what no message may have: a NUL is left out; a CR in the
 * middle ends a line of the body, in the header it is a blank. */
static int put_line(struct reading *r, const char *line, size_t n)
{
	size_t at = 0;
	int error = 0;
	for (size_t i = 0; i < n && !error; i++)
		if (line[i] == '\0' || line[i] == '\r') {
			const char *instead = line[i] == '\0' ? "" : r->over ? "\r\n" : " ";
			error = put(r->out, line + at, i - at);
			if (!error)
				error = put(r->out, instead, strlen(instead));
			at = i + 1;
		}
	return error || put(r->out, line + at, n - at) != 0 ? -1 : put(r->out, "\r\n", 2);
}

static int take_line(struct reading *r, const struct composing *how, const char *line, size_t n,
    struct submission *s)
{
	if (!r->over && take_header_line(r, how, line, n) != 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		s->body_8bit |= (unsigned char)line[i] >= 128;
	return put_line(r, line, n);
}

/* -- Recipients of the header ------------------------------------------------------------- */

static int on_address(void *user, const struct msv_address *address)
{
	return submission_add(user, address->address);
}

static int read_recipients(struct submission *s, const char *header, size_t n)
{
	static const enum msv_field fields[] = { MSV_FIELD_TO, MSV_FIELD_CC, MSV_FIELD_BCC };
	struct msv_env *env;
	struct msv_mime_parser *parser = NULL;
	struct msv_mime *mime = NULL;
	if (msv_env_new(NULL, &env) != 0)
		return -1;
	int error = msv_mime_parser_new(env, NULL, &parser);
	if (!error)
		error = msv_mime_parser_push(parser, header, n);
	if (!error)
		error = msv_mime_parser_finish(parser, &mime);
	for (size_t i = 0; i < sizeof fields / sizeof *fields && !error; i++)
		error = msv_part_addresses(msv_mime_root(mime), fields[i], on_address, s);
	msv_mime_free(mime);
	msv_mime_parser_free(parser);
	msv_env_free(env);
	return error ? -1 : 0;
}

/* Takes the Bcc fields out of the header section. */
static void remove_bcc(struct text *text, size_t *header)
{
	size_t to = 0;
	bool skipping = false;
	for (size_t at = 0; at < *header;) {
		const char *line = text->p + at;
		const char *newline = memchr(line, '\n', *header - at);
		size_t n = newline ? (size_t)(newline - line) + 1 : *header - at;
		if (*line != ' ' && *line != '\t')
			skipping = is_field(line, n, "Bcc");
		if (!skipping) {
			memmove(text->p + to, line, n);
			to += n;
		}
		at += n;
	}
	memmove(text->p + to, text->p + *header, text->n - *header + 1);
	text->n -= *header - to;
	*header = to;
}

int compose(struct submission *s, FILE *in, bool dot_ends, const struct composing *how)
{
	struct text text = { 0 };
	struct reading r = { .out = &text };
	char *line = NULL;
	size_t cap = 0;
	ssize_t got;
	int error = put(&text, "", 0);
	while (!error && (got = getline(&line, &cap, in)) > 0) {
		size_t n = (size_t)got;
		if (n > 0 && line[n - 1] == '\n')
			n--;
		if (n > 0 && line[n - 1] == '\r')
			n--;
		if (dot_ends && n == 1 && *line == '.')
			break;
		/* An mbox's first line is no field. */
		if (text.n == 0 && strncmp(line, "From ", 5) == 0)
			continue;
		error = text.n > MESSAGE_MAX ? -1 : take_line(&r, how, line, n, s);
	}
	free(line);
	if (!error && !r.over)
		error = take_line(&r, how, "", 0, s);
	if (!error && how->from_header)
		error = read_recipients(s, text.p, r.header);
	if (error || ferror(in)) {
		fprintf(stderr, "sendmail: the message cannot be %s\n",
		    ferror(in) ? "read" : "kept: it is too large, or memory is short");
		free(text.p);
		return ferror(in) ? EX_IOERR : EX_OSERR;
	}
	remove_bcc(&text, &r.header);
	s->body = text.p;
	s->octets = text.n;
	return EX_OK;
}
