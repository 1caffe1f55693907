#include <stdlib.h>
#include <string.h>

#include "codec/casefold.h"
#include "message/mime.h"
#include "message/section.h"

const struct msv_part *msv_mime_root(const struct msv_mime *mime)
{
	return mime->root;
}

bool msv_mime_limited(const struct msv_mime *mime)
{
	return mime->limited;
}

const struct msv_part *msv_part_parent(const struct msv_part *part)
{
	return part->parent;
}

const struct msv_part *msv_part_child(const struct msv_part *part)
{
	return part->first_child;
}

const struct msv_part *msv_part_sibling(const struct msv_part *part)
{
	return part->next;
}

const struct msv_part *msv_part_next(const struct msv_part *part)
{
	if (part->first_child)
		return part->first_child;
	while (part && !part->next)
		part = part->parent;
	return part ? part->next : NULL;
}

bool msv_part_is(const struct msv_part *part, const char *type, const char *subtype)
{
	const struct msv_content *c = &part->content;

	return msv_ascii_equals(c->type, strlen(c->type), type) &&
	       (!subtype || msv_ascii_equals(c->subtype, strlen(c->subtype), subtype));
}

enum msv_encoding msv_part_encoding(const struct msv_part *part)
{
	return msv_encoding_of(part->content.encoding);
}

const char *msv_part_param(const struct msv_part *part, const char *name)
{
	return msv_params_get(&part->content.params, name);
}

/* One number of "1.2.3" and the dot behind it.  False for anything else. */
static bool read_number(const char **p, uint32_t *out)
{
	uint64_t value = 0;

	if (**p < '1' || **p > '9')
		return false;
	for (; **p >= '0' && **p <= '9'; ++*p)
		if ((value = value * 10 + (uint64_t)(**p - '0')) > UINT32_MAX)
			return false;
	*out = (uint32_t)value;
	if (**p == '.')
		return *++*p != '\0';
	return **p == '\0';
}

const struct msv_part *msv_mime_part(const struct msv_mime *mime, const char *number)
{
	const struct msv_part *part = NULL;

	if (!*number)
		return mime->root;
	for (bool first = true; first || part; first = false) {
		uint32_t n;

		if (!*number)
			return part;
		if (!read_number(&number, &n))
			return NULL;
		part = msv_part_numbered(mime, part, n);
	}
	return NULL;
}
