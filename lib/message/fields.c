#include "message/fields.h"

#include <string.h>

#include "message/content.h"

void msv_fields_init(struct msv_fields *f, struct msv_env *env, size_t budget)
{
	memset(f, 0, sizeof *f);
	f->budget = budget;
	for (int i = 0; i < MSV_FIELD_COUNT; i++)
		msv_buf_init(&f->value[i], env);
}

void msv_fields_fini(struct msv_fields *f)
{
	for (int i = 0; i < MSV_FIELD_COUNT; i++)
		msv_buf_fini(&f->value[i]);
}

static const struct {
	const char *name;
	bool addresses;
} fields[MSV_FIELD_COUNT] = {
	[MSV_FIELD_DATE] = { "Date", false },
	[MSV_FIELD_SUBJECT] = { "Subject", false },
	[MSV_FIELD_FROM] = { "From", true },
	[MSV_FIELD_SENDER] = { "Sender", true },
	[MSV_FIELD_REPLY_TO] = { "Reply-To", true },
	[MSV_FIELD_TO] = { "To", true },
	[MSV_FIELD_CC] = { "Cc", true },
	[MSV_FIELD_BCC] = { "Bcc", true },
	[MSV_FIELD_IN_REPLY_TO] = { "In-Reply-To", false },
	[MSV_FIELD_MESSAGE_ID] = { "Message-ID", false },
};

/* The value; of an address list that was cut, up to the last whole address. */
static struct msv_span usable(const struct msv_header_field *field, bool addresses)
{
	struct msv_span value = field->value;

	while (field->cut && addresses && value.n > 0 && value.p[value.n - 1] != ',')
		value.n--;
	return value;
}

/* Lists of addresses that come twice are one (RFC 5322 4.5.3 for destinations);
 * of other fields the last counts, the one a signature would cover. */
static int take_envelope(struct msv_fields *f, int i, struct msv_span value)
{
	struct msv_buf *to = &f->value[i];

	if (!fields[i].addresses)
		msv_buf_clear(to);
	else if (msv_buf_len(to) > 0)
		msv_buf_puts(to, ", ");
	f->present[i] = true;
	return msv_buf_put(to, value.p, value.n);
}

/* Pays for n bytes out of the budget; false when that is spent. */
static bool pay(struct msv_fields *f, size_t n)
{
	if (n > f->budget) {
		f->part->mime->limited = true;
		return false;
	}
	f->budget -= n;
	return true;
}

/* What a Content-* field takes in memory: its bytes, and a struct msv_param (in
 * an array that doubles) for each "=". */
static size_t content_cost(struct msv_span value)
{
	size_t cost = value.n;

	for (size_t i = 0; i < value.n; i++)
		if (value.p[i] == '=')
			cost += 2 * sizeof(struct msv_param);
	return cost;
}

int msv_fields_take(void *user, const struct msv_header_field *field)
{
	struct msv_fields *f = user;

	for (int i = 0; i < MSV_FIELD_COUNT && f->part->envelope; i++) {
		struct msv_span value;

		if (!msv_header_is(field, fields[i].name))
			continue;
		f->part->mime->limited |= field->cut;
		value = usable(field, fields[i].addresses);
		return pay(f, value.n + 2) ? take_envelope(f, i, value) : 0;
	}
	if (!msv_content_is(field))
		return 0;
	f->part->mime->limited |= field->cut;
	if (!pay(f, content_cost(field->value)))
		return 0;
	return msv_content_field(&f->part->content, &f->part->mime->arena, field);
}

int msv_fields_end(struct msv_fields *f)
{
	struct msv_envelope *envelope = f->part->envelope;
	struct msv_arena *arena = &f->part->mime->arena;

	for (int i = 0; i < MSV_FIELD_COUNT && envelope; i++) {
		struct msv_buf *value = &f->value[i];

		if (!f->present[i])
			continue;
		envelope->field[i].n = msv_buf_len(value);
		envelope->field[i].p =
		    msv_arena_strndup(arena, msv_buf_data(value), msv_buf_len(value));
		if (!envelope->field[i].p)
			return MSV_ERR_NOMEM;
		f->present[i] = false;
		msv_buf_clear(value);
	}
	return 0;
}
