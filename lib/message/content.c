#include "message/content.h"

#include <string.h>

#include "codec/casefold.h"
#include "codec/token.h"

/* More languages than this are not kept. */
#define LANGUAGES_MAX 100

static struct msv_span word(struct msv_scan *s)
{
	msv_scan_cfws(s);
	return msv_scan_token(s);
}

/* type "/" subtype *(";" parameter).  What is not of that form leaves the
 * default in place (RFC 2045 5.2). */
static int set_type(struct msv_content *c, struct msv_arena *arena, struct msv_span value)
{
	struct msv_scan s = { value.p, value.p + value.n };
	struct msv_span type = word(&s), subtype;

	msv_scan_cfws(&s);
	if (type.n == 0 || s.p == s.end || *s.p != '/')
		return 0;
	s.p++;
	subtype = word(&s);
	if (subtype.n == 0)
		return 0;
	c->type = msv_arena_strndup(arena, type.p, type.n);
	c->subtype = msv_arena_strndup(arena, subtype.p, subtype.n);
	if (!c->type || !c->subtype)
		return MSV_ERR_NOMEM;
	c->given = true;
	return msv_params_parse(arena, s.p, (size_t)(s.end - s.p), &c->params);
}

static int set_text(const char **out, struct msv_arena *arena, struct msv_span value)
{
	*out = msv_arena_strndup(arena, value.p, value.n);
	return *out ? 0 : MSV_ERR_NOMEM;
}

/* One token; what is none is not there, and nothing is undone. */
static int set_encoding(struct msv_content *c, struct msv_arena *arena, struct msv_span value)
{
	struct msv_scan s = { value.p, value.p + value.n };
	struct msv_span token = word(&s);

	msv_scan_cfws(&s);
	if (token.n == 0 || (s.p < s.end && *s.p != ';'))
		return 0;
	return set_text(&c->encoding, arena, token);
}

static int set_disposition(struct msv_content *c, struct msv_arena *arena, struct msv_span value)
{
	struct msv_scan s = { value.p, value.p + value.n };
	struct msv_span type = word(&s);
	int rc;

	if (type.n == 0)
		return 0;
	rc = set_text(&c->disposition, arena, type);
	if (rc < 0)
		return rc;
	return msv_params_parse(arena, s.p, (size_t)(s.end - s.p), &c->disposition_params);
}

/* "en, fr (both)". */
static int set_language(struct msv_content *c, struct msv_arena *arena, struct msv_span value)
{
	struct msv_scan s = { value.p, value.p + value.n };
	struct msv_span tags[LANGUAGES_MAX];
	const char **list;
	size_t n = 0;

	while (s.p < s.end && n < LANGUAGES_MAX) {
		struct msv_span tag = word(&s);

		if (tag.n > 0)
			tags[n++] = tag;
		else if (s.p < s.end)
			s.p++;
	}
	if (n == 0)
		return 0;
	list = msv_arena_alloc(arena, (n + 1) * sizeof *list);
	if (!list)
		return MSV_ERR_NOMEM;
	for (size_t i = 0; i < n; i++)
		if (!(list[i] = msv_arena_strndup(arena, tags[i].p, tags[i].n)))
			return MSV_ERR_NOMEM;
	c->language = list;
	return 0;
}

static int set_id(struct msv_content *c, struct msv_arena *arena, struct msv_span value)
{
	return set_text(&c->id, arena, value);
}

static int set_description(struct msv_content *c, struct msv_arena *arena, struct msv_span value)
{
	return set_text(&c->description, arena, value);
}

static int set_location(struct msv_content *c, struct msv_arena *arena, struct msv_span value)
{
	return set_text(&c->location, arena, value);
}

static int set_md5(struct msv_content *c, struct msv_arena *arena, struct msv_span value)
{
	return set_text(&c->md5, arena, value);
}

static const struct {
	const char *name;
	int (*set)(struct msv_content *c, struct msv_arena *arena, struct msv_span value);
} fields[] = {
	{ "Content-Type", set_type },
	{ "Content-Transfer-Encoding", set_encoding },
	{ "Content-Disposition", set_disposition },
	{ "Content-ID", set_id },
	{ "Content-Description", set_description },
	{ "Content-Language", set_language },
	{ "Content-Location", set_location },
	{ "Content-MD5", set_md5 },
};

#define NFIELDS (sizeof fields / sizeof fields[0])

/* Where the field stands in the table, or NFIELDS. */
static size_t find(const struct msv_header_field *field)
{
	size_t i = 0;

	while (i < NFIELDS && !msv_header_is(field, fields[i].name))
		i++;
	return i;
}

bool msv_content_is(const struct msv_header_field *field)
{
	return find(field) < NFIELDS;
}

int msv_content_field(
    struct msv_content *content, struct msv_arena *arena, const struct msv_header_field *field)
{
	size_t i = find(field);

	if (i == NFIELDS || content->seen & 1u << i)
		return 0;
	content->seen |= 1u << i;
	return fields[i].set(content, arena, field->value);
}

void msv_content_default(struct msv_content *content, bool in_digest)
{
	if (content->type)
		return;
	content->type = in_digest ? "message" : "text";
	content->subtype = in_digest ? "rfc822" : "plain";
}

void msv_content_opaque(struct msv_content *content)
{
	content->type = "application";
	content->subtype = "octet-stream";
	content->params.n = 0;
}
