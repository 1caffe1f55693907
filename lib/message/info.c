/* What <mailserv/message.h> tells of parts, decoded. */
#include <string.h>

#include "base/alloc.h"
#include "codec/casefold.h"
#include "codec/date.h"
#include "codec/encword.h"
#include "message/address.h"
#include "message/mime.h"

/* -- Parts ----------------------------------------------------------------- */

static int keep_lower(struct msv_arena *arena, const char *s, const char **out)
{
	char *copy;

	if (!s)
		return 0;
	copy = msv_arena_strndup(arena, s, strlen(s));
	for (char *p = copy; p && *p; p++)
		*p = msv_ascii_lower(*p);
	*out = copy;
	return copy ? 0 : MSV_ERR_NOMEM;
}

/* Moves what is in buf to the arena; empty text is none. */
static int keep_buf(struct msv_arena *arena, const struct msv_buf *buf, const char **out)
{
	if (msv_buf_failed(buf))
		return MSV_ERR_NOMEM;
	if (msv_buf_len(buf) == 0)
		return 0;
	*out = msv_arena_strndup(arena, msv_buf_data(buf), msv_buf_len(buf));
	return *out ? 0 : MSV_ERR_NOMEM;
}

static int keep_text(struct msv_arena *arena, const char *p, size_t n, const char **out)
{
	struct msv_buf text;
	int rc;

	if (!p)
		return 0;
	msv_buf_init(&text, arena->env);
	msv_encword_decode(p, n, &text);
	rc = keep_buf(arena, &text, out);
	msv_buf_fini(&text);
	return rc;
}

static int keep_param(
    struct msv_arena *arena, const struct msv_params *params, const char *name, const char **out)
{
	struct msv_buf text;
	int rc;

	if (*out)
		return 0;
	msv_buf_init(&text, arena->env);
	rc = msv_params_decode(params, name, &text);
	if (rc != MSV_ERR_NOMEM)
		rc = keep_buf(arena, &text, out);
	msv_buf_fini(&text);
	return rc;
}

static int make_info(
    const struct msv_part *part, struct msv_arena *arena, struct msv_part_info *info)
{
	const struct msv_content *c = &part->content;
	const char *description = c->description;
	int rc;

	info->header = part->header;
	info->body = part->body;
	info->id = c->id;
	if ((rc = keep_lower(arena, c->type, &info->type)) < 0 ||
	    (rc = keep_lower(arena, c->subtype, &info->subtype)) < 0 ||
	    (rc = keep_lower(arena, c->encoding, &info->encoding)) < 0 ||
	    (rc = keep_lower(arena, c->disposition, &info->disposition)) < 0 ||
	    (rc = keep_param(arena, &c->params, "charset", &info->charset)) < 0 ||
	    (rc = keep_param(arena, &c->disposition_params, "filename", &info->filename)) < 0 ||
	    (rc = keep_param(arena, &c->params, "name", &info->filename)) < 0)
		return rc;
	return keep_text(
	    arena, description, description ? strlen(description) : 0, &info->description);
}

int msv_part_info(const struct msv_part *part, struct msv_part_info *info)
{
	/* The part is the caller's to look at and ours to add to. */
	struct msv_part *own = (struct msv_part *)part;
	struct msv_arena *arena = &own->mime->arena;
	size_t size = info->size;

	if (!own->info) {
		struct msv_part_info *made = msv_arena_alloc(arena, sizeof *made);
		int rc = made ? make_info(part, arena, made) : MSV_ERR_NOMEM;

		if (rc < 0)
			return rc;
		own->info = made;
	}
	memcpy(info, own->info, size < sizeof *info ? size : sizeof *info);
	info->size = size;
	return 0;
}

/* -- Fields ---------------------------------------------------------------- */

/* The raw value, p NULL when absent. */
static struct msv_span raw_field(const struct msv_part *part, enum msv_field field)
{
	if (!part->envelope || (unsigned)field >= MSV_FIELD_COUNT)
		return (struct msv_span){ NULL, 0 };
	return part->envelope->field[field];
}

int msv_part_field(const struct msv_part *part, enum msv_field field, const char **out)
{
	struct msv_span raw = raw_field(part, field);
	const char **text;
	int rc;

	*out = NULL;
	if (!raw.p)
		return 0;
	text = &part->envelope->text[field];
	if (!*text && (rc = keep_text(&part->mime->arena, raw.p, raw.n, text)) < 0)
		return rc;
	*out = *text ? *text : "";
	return 0;
}

int msv_part_date(const struct msv_part *part, int64_t *time, int *zone)
{
	struct msv_span raw = raw_field(part, MSV_FIELD_DATE);
	struct msv_date date;

	if (!raw.p)
		return MSV_ERR_NOTFOUND;
	if (msv_date_parse(raw.p, raw.n, &date) < 0)
		return MSV_ERR_FORMAT;
	*time = date.time;
	if (zone)
		*zone = date.zone;
	return 0;
}

char *msv_decode_text(struct msv_env *env, const char *p, size_t n)
{
	struct msv_buf text;
	char *copy = NULL;

	msv_buf_init(&text, env);
	if (msv_encword_decode(p, n, &text) == 0)
		copy = msv_strndup(env, msv_buf_data(&text), msv_buf_len(&text));
	msv_buf_fini(&text);
	return copy;
}

/* -- Addresses ------------------------------------------------------------- */

struct mailboxes {
	struct msv_buf name, address, group;
	bool in_group, named;
	int (*fn)(void *user, const struct msv_address *address);
	void *user;
};

/* "local@domain"; a local part that is no dot-atom gets its quotes back. */
static void put_address(struct msv_buf *out, const struct msv_address_item *item)
{
	struct msv_scan s = { item->mailbox, item->mailbox + item->mailbox_len };
	bool quote = msv_scan_dot_atom(&s).n < item->mailbox_len;

	if (quote)
		msv_buf_putc(out, '"');
	for (size_t i = 0; i < item->mailbox_len; i++) {
		if (quote && (item->mailbox[i] == '"' || item->mailbox[i] == '\\'))
			msv_buf_putc(out, '\\');
		msv_buf_putc(out, item->mailbox[i]);
	}
	if (quote)
		msv_buf_putc(out, '"');
	if (item->host) {
		msv_buf_putc(out, '@');
		msv_buf_put(out, item->host, item->host_len);
	}
}

static int give_mailbox(struct mailboxes *m, const struct msv_address_item *item)
{
	struct msv_address address = { NULL, NULL, NULL };
	int rc = 0;

	msv_buf_clear(&m->name);
	msv_buf_clear(&m->address);
	if (item->name)
		rc = msv_encword_decode(item->name, item->name_len, &m->name);
	put_address(&m->address, item);
	if (rc < 0 || msv_buf_failed(&m->address))
		return MSV_ERR_NOMEM;
	address.name = item->name ? msv_buf_cstr(&m->name) : NULL;
	address.address = msv_buf_cstr(&m->address);
	address.group = m->in_group ? msv_buf_cstr(&m->group) : NULL;
	if (!address.address || (item->name && !address.name) || (m->in_group && !address.group))
		return MSV_ERR_NOMEM;
	return m->fn(m->user, &address);
}

static int give_item(struct mailboxes *m, const struct msv_address_item *item)
{
	if (item->kind == MSV_ADDRESS_MAILBOX)
		return give_mailbox(m, item);
	m->in_group = item->kind == MSV_ADDRESS_GROUP;
	msv_buf_clear(&m->group);
	if (!m->in_group)
		return 0;
	return msv_encword_decode(item->name, item->name_len, &m->group);
}

static bool holds_addresses(enum msv_field field)
{
	return field >= MSV_FIELD_FROM && field <= MSV_FIELD_BCC;
}

int msv_part_addresses(const struct msv_part *part, enum msv_field field,
    int (*fn)(void *user, const struct msv_address *address), void *user)
{
	struct msv_span raw = raw_field(part, field);
	struct msv_env *env = part->mime->env;
	struct mailboxes m = { .fn = fn, .user = user };
	struct msv_address_reader reader;
	struct msv_address_item item;
	int rc = 0;

	if (!raw.p || !holds_addresses(field))
		return 0;
	msv_buf_init(&m.name, env);
	msv_buf_init(&m.address, env);
	msv_buf_init(&m.group, env);
	msv_address_reader_init(&reader, env, raw.p, raw.n);
	while (rc == 0 && (rc = msv_address_next(&reader, &item)) > 0)
		rc = give_item(&m, &item);
	msv_address_reader_fini(&reader);
	msv_buf_fini(&m.name);
	msv_buf_fini(&m.address);
	msv_buf_fini(&m.group);
	return rc;
}
