#include "message/section.h"

const struct msv_part *msv_part_numbered(
    const struct msv_mime *mime, const struct msv_part *part, uint32_t n)
{
	const struct msv_part *in = part ? part : mime->root;

	/* The parts of a message/rfc822 part are those of the message in it. */
	if (part && part->kind == MSV_PART_MESSAGE)
		in = part->first_child;
	if (in->kind != MSV_PART_MULTIPART)
		return n == 1 && in != part ? in : NULL;
	if (n == 0 || n > in->children)
		return NULL;
	for (in = in->first_child; n > 1; n--)
		in = in->next;
	return in;
}

const struct msv_part *msv_part_find(const struct msv_mime *mime, const uint32_t *path, size_t n)
{
	const struct msv_part *part = NULL;

	if (n == 0)
		return mime->root;
	for (size_t i = 0; i < n; i++) {
		part = msv_part_numbered(mime, part, path[i]);
		if (!part)
			return NULL;
	}
	return part;
}

/* The message whose HEADER and TEXT a section means, or NULL. */
static const struct msv_part *message_of(const struct msv_part *part, size_t n)
{
	if (n == 0)
		return part;
	return part->kind == MSV_PART_MESSAGE ? part->first_child : NULL;
}

static struct msv_range whole(const struct msv_mime *mime)
{
	struct msv_range all = { .len = mime->size };

	all.wire_len = mime->wire_size;
	all.lines = mime->lines;
	return all;
}

int msv_section_find(const struct msv_mime *mime, const uint32_t *path, size_t n,
    enum msv_section_kind kind, struct msv_range *out)
{
	const struct msv_part *part = msv_part_find(mime, path, n);

	if (!part)
		return MSV_ERR_NOTFOUND;
	if (kind == MSV_SECTION_ALL) {
		*out = n == 0 ? whole(mime) : part->body;
		return 0;
	}
	if (kind == MSV_SECTION_MIME) {
		*out = part->header;
		return n == 0 ? MSV_ERR_INVAL : 0;
	}
	part = message_of(part, n);
	if (!part)
		return MSV_ERR_NOTFOUND;
	*out = kind == MSV_SECTION_HEADER ? part->header : part->body;
	return 0;
}
