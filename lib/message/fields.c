#include "message/fields.h"

#include <string.h>

#include "message/content.h"

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

/* The first field of a name counts (RFC 5322 3.6 allows no second). */
static int take_envelope(
    struct msv_envelope *envelope, int i, struct msv_arena *arena, struct msv_span value)
{
	struct msv_span *to = &envelope->field[i];

	if (to->p)
		return 0;
	to->p = msv_arena_strndup(arena, value.p, value.n);
	to->n = value.n;
	return to->p ? 0 : MSV_ERR_NOMEM;
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
	struct msv_arena *arena = &f->part->mime->arena;

	for (int i = 0; i < MSV_FIELD_COUNT && f->part->envelope; i++) {
		struct msv_span value;

		if (!msv_header_is(field, fields[i].name))
			continue;
		f->part->mime->limited |= field->cut;
		value = usable(field, fields[i].addresses);
		return pay(f, value.n) ? take_envelope(f->part->envelope, i, arena, value) : 0;
	}
	if (!msv_content_is(field) || !pay(f, content_cost(field->value)))
		return 0;
	return msv_content_field(&f->part->content, arena, field);
}
