#include "store/crlf.h"

#include <string.h>

#include "codec/controls.h"

size_t msv_bare_lf(const char *p, size_t n, bool *cr)
{
	const char *begin = p, *end = p + n, *lf;
	size_t count = 0;

	if (!n)
		return 0;
	while (p < end && (lf = memchr(p, '\n', (size_t)(end - p)))) {
		count += !(lf > begin ? lf[-1] == '\r' : *cr);
		p = lf + 1;
	}
	*cr = end[-1] == '\r';
	return count;
}

size_t msv_to_crlf(const char *p, size_t n, bool *cr, char *out)
{
	const char *end = p + n;
	char *to = out;
	bool after_cr = *cr;

	while (p < end) {
		const char *lf = memchr(p, '\n', (size_t)(end - p));
		size_t len = (size_t)((lf ? lf : end) - p);
		if (len) {
			after_cr = p[len - 1] == '\r';
			memmove(to, p, len);
			to += len;
			p += len;
		}
		if (!lf)
			break;
		if (!after_cr)
			*to++ = '\r';
		*to++ = '\n';
		after_cr = false;
		p++;
	}
	*cr = after_cr;
	return (size_t)(to - out);
}

/* Writes a line end; `crlf`: it was one on the wire. */
static char *end_line(struct msv_to_lf *state, bool crlf, char *to)
{
	/* Behind a CR of the text an LF alone would be taken for a CRLF. */
	if (crlf && state->after_cr)
		*to++ = '\r';
	else
		state->lines++;
	*to++ = '\n';
	state->after_cr = false;
	state->cr = false;
	return to;
}

/* Bytes that are no line ends and nothing strange, copied. */
static size_t copy_text(struct msv_to_lf *state, const char *p, size_t n, char *to)
{
	size_t len = state->cr ? 0 : msv_until_control(p, n);

	if (len) {
		memcpy(to, p, len);
		state->after_cr = false;
	}
	return len;
}

int msv_to_lf(struct msv_to_lf *state, const char *p, size_t n, char *out, size_t *outn)
{
	char *to = out;

	for (const char *end = p + n; p < end; p++) {
		size_t len = copy_text(state, p, (size_t)(end - p), to);
		to += len;
		p += len;
		if (p == end)
			break;
		if (*p == '\n') {
			to = end_line(state, state->cr, to);
			continue;
		}
		if (!state->verbatim && (state->cr || !*p))
			return MSV_ERR_FORMAT;
		if (state->cr) {
			*to++ = '\r';
			state->after_cr = true;
		}
		state->cr = *p == '\r';
		if (state->cr)
			continue;
		*to++ = *p;
		state->after_cr = false;
	}
	*outn = (size_t)(to - out);
	return 0;
}

int msv_to_lf_end(struct msv_to_lf *state, char *out, size_t *outn)
{
	*outn = state->cr;
	if (!state->cr)
		return 0;
	state->cr = false;
	state->after_cr = true;
	*out = '\r';
	return state->verbatim ? 0 : MSV_ERR_FORMAT;
}
