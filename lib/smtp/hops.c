/* Loops are found by counting Received fields (RFC 5321 6.3). */
#include "codec/casefold.h"
#include "smtp/smtp.h"

static const char name[] = "received";

enum {
	NAME_LEN = sizeof(name) - 1, /* up to here: letters of the name that matched */
	REST,                        /* of a line that does not count (any more) */
	REST_CR,
	EMPTY_CR, /* a CR at the start of a line */
};

/* The state behind c. */
static uint8_t step(struct msv_hops *h, char c)
{
	if (h->match == EMPTY_CR && c == '\n')
		h->over = true;
	if (c == '\n')
		return 0;
	if (c == '\r')
		return h->match == 0 ? EMPTY_CR : REST_CR;
	if (h->match < NAME_LEN)
		return msv_ascii_lower(c) == name[h->match] ? (uint8_t)(h->match + 1) : REST;
	if (h->match > NAME_LEN)
		return REST;
	/* Blanks before the colon are obsolete, and allowed (RFC 5322 4.5). */
	if (c == ' ' || c == '\t')
		return NAME_LEN;
	h->count += c == ':';
	return REST;
}

void msv_hops_count(struct msv_hops *h, const char *p, size_t n)
{
	for (size_t i = 0; i < n && !h->over; i++)
		h->match = step(h, p[i]);
}
