/* The octets of a body, taken apart (RFC 5321 4.5.2, 2.3.8; RFC 3030). */
#include <string.h>

#include "codec/controls.h"
#include "smtp/smtp.h"

enum {
	LINE_START, /* behind CRLF, or at the beginning */
	TEXT,
	CR,     /* a CR that may begin a CRLF; not given out yet */
	DOT,    /* a dot at the start of a line; dropped, unless the line ends here */
	DOT_CR, /* and a CR behind it */
};

void msv_octets_init(struct msv_octets *o, bool stuffed, bool normalize)
{
	*o = (struct msv_octets){ .stuffed = stuffed, .normalize = normalize };
}

static void blame(struct msv_octets *o, enum msv_octets_fault fault)
{
	if (o->fault == MSV_OCTETS_FINE && (!o->normalize || fault == MSV_OCTETS_NUL))
		o->fault = fault;
}

static const struct msv_span crlf = { "\r\n", 2 };

/* A CR was followed by something else than LF. */
static struct msv_span lone_cr(struct msv_octets *o)
{
	blame(o, MSV_OCTETS_LONE_CR);
	return crlf;
}

/* The first byte that is no plain text. */
static const char *special(const char *p, const char *end)
{
	for (;; p++) {
		p += msv_until_control(p, (size_t)(end - p));
		if (p == end || *p == '\r' || *p == '\n' || *p == '\0')
			return p;
	}
}

/* Text from p on, with the line ends in it, as long as it can be given out as it
 * is; *state is the one behind it. */
static const char *plain(const char *p, const char *end, bool stuffed, uint8_t *state)
{
	for (;;) {
		if (*state == LINE_START && p < end && *p == '.' && stuffed)
			return p;
		p = special(p, end);
		if (end - p < 2 || p[0] != '\r' || p[1] != '\n')
			break;
		p += 2;
		*state = LINE_START;
		if (p == end)
			return p;
	}
	*state = TEXT;
	return p;
}

/* One step at a byte that plain() stopped at, or in a state that remembers one;
 * sets *taken to false when the byte is to be looked at again. */
static struct msv_span step(struct msv_octets *o, char c, bool *taken)
{
	static const struct msv_span nothing = { "", 0 };
	uint8_t state = o->state;

	switch (state) {
	case CR:
		o->state = c == '\n' ? LINE_START : c == '\r' ? CR : TEXT;
		o->after_cr = c == '\r' || (c == '\n' && o->after_cr);
		*taken = c == '\n' || c == '\r';
		return c == '\n' ? crlf : lone_cr(o);
	case DOT:
		o->state = c == '\r' ? DOT_CR : TEXT;
		*taken = c == '\r';
		return nothing;
	case DOT_CR:
		if (c == '\n') {
			o->ended = true;
			o->doubtful = o->after_cr;
			return nothing;
		}
		/* The dot was a stuffed one after all; the CR is alone. */
		o->state = c == '\r' ? CR : TEXT;
		o->after_cr = c == '\r';
		*taken = c == '\r';
		return lone_cr(o);
	default:
		if (state == LINE_START && c == '.') {
			o->state = DOT;
			return nothing;
		}
		o->after_cr = false;
		o->state = c == '\r' ? CR : TEXT;
		if (c == '\r')
			return nothing;
		blame(o, c ? MSV_OCTETS_LONE_LF : MSV_OCTETS_NUL);
		return c ? crlf : nothing;
	}
}

size_t msv_octets_next(struct msv_octets *o, const char *p, size_t n, struct msv_span *piece)
{
	const char *at = p, *end = p + n;

	*piece = (struct msv_span){ p, 0 };
	while (at < end && !o->ended && !piece->n) {
		if (o->state == LINE_START || o->state == TEXT) {
			const char *start = at;
			at = plain(at, end, o->stuffed, &o->state);
			*piece = (struct msv_span){ start, (size_t)(at - start) };
			if (piece->n) {
				o->after_cr = false;
				break;
			}
		}
		bool taken = true;
		*piece = step(o, *at, &taken);
		at += taken;
	}
	return (size_t)(at - p);
}

void msv_octets_finish(struct msv_octets *o)
{
	if (o->state == CR)
		blame(o, MSV_OCTETS_LONE_CR);
}
