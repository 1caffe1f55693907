/* Parameters of DSN: RET, ENVID, NOTIFY, ORCPT (RFC 3461 4). */
#include <string.h>

#include "codec/casefold.h"
#include "codec/xtext.h"
#include "smtp/smtp.h"

/* -- Words -------------------------------------------------------------------- */

struct word {
	const char *name;
	unsigned value;
};

/* The value of a word in a table that ends with NULL; 0 when it is not there. */
static unsigned value_of(const struct word *words, const char *p, size_t n)
{
	for (; words->name; words++)
		if (msv_ascii_equals(p, n, words->name))
			return words->value;
	return 0;
}

const struct msv_smtp_say *msv_smtp_read_ret(
    const struct msv_smtp *s, struct msv_span value, struct msv_smtp_params *out)
{
	static const struct word words[] = { { "FULL", MSV_RET_FULL }, { "HDRS", MSV_RET_HDRS },
		{ NULL, 0 } };

	(void)s;
	out->ret = (enum msv_smtp_ret)value_of(words, value.p, value.n);
	return out->ret ? NULL : &msv_smtp_bad_value;
}

/* "NEVER" / 1#( "SUCCESS" / "FAILURE" / "DELAY" ), each once. */
const struct msv_smtp_say *msv_smtp_read_notify(
    const struct msv_smtp *s, struct msv_span value, struct msv_smtp_params *out)
{
	static const struct word words[] = { { "NEVER", MSV_NOTIFY_NEVER },
		{ "SUCCESS", MSV_NOTIFY_SUCCESS }, { "FAILURE", MSV_NOTIFY_FAILURE },
		{ "DELAY", MSV_NOTIFY_DELAY }, { NULL, 0 } };
	const char *comma = value.p;

	(void)s;
	while (comma) {
		comma = value.n ? memchr(value.p, ',', value.n) : NULL;
		size_t n = comma ? (size_t)(comma - value.p) : value.n;
		unsigned bit = value_of(words, value.p, n);
		if (!bit || (out->notify & (bit | MSV_NOTIFY_NEVER)) ||
		    (bit == MSV_NOTIFY_NEVER && out->notify))
			return &msv_smtp_bad_value;
		out->notify |= bit;
		value.p += n + (comma != NULL);
		value.n -= n + (comma != NULL);
	}
	return out->notify ? NULL : &msv_smtp_bad_value;
}

/* -- Words of the sender's ------------------------------------------------------ */

static bool all_printable(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] < 0x20 || p[i] > 0x7e)
			return false;
	return true;
}

const struct msv_smtp_say *msv_smtp_read_envid(
    const struct msv_smtp *s, struct msv_span value, struct msv_smtp_params *out)
{
	int n = MSV_ERR_FORMAT;

	(void)s;
	if (value.n && value.n <= MSV_SMTP_ENVID_MAX)
		n = msv_xtext_decode(value, false, out->envid, MSV_SMTP_ENVID_MAX);
	if (n < 0 || !all_printable(out->envid, (size_t)n))
		return &msv_smtp_bad_value;
	out->envid[n] = '\0';
	return NULL;
}

/* addr-type = atom (RFC 3461 4.2); of an atom what the registered ones are made of. */
static bool is_type(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char c = msv_ascii_lower(p[i]);
		if ((c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-')
			return false;
	}
	return n > 0;
}

/* Decodes the address in place; its length, or MSV_ERR_FORMAT.  Beyond ASCII only
 * type utf-8 goes (RFC 6533 3). */
static int read_address(bool utf8, char *p, size_t n)
{
	if (utf8)
		return msv_unitext_decode(p, n);
	return all_printable(p, n) ? (int)n : MSV_ERR_FORMAT;
}

const struct msv_smtp_say *msv_smtp_read_orcpt(
    const struct msv_smtp *s, struct msv_span value, struct msv_smtp_params *out)
{
	const char *semicolon = value.n ? memchr(value.p, ';', value.n) : NULL;
	size_t type = semicolon ? (size_t)(semicolon - value.p) : 0;
	int n;

	if (value.n > MSV_SMTP_ORCPT_MAX || !is_type(value.p, type))
		return &msv_smtp_bad_value;
	bool utf8 = msv_ascii_equals(value.p, type, "utf-8");
	memcpy(out->orcpt, value.p, ++type);
	struct msv_span address = { value.p + type, value.n - type };
	n = msv_xtext_decode(
	    address, utf8 && s->smtputf8, out->orcpt + type, MSV_SMTP_ORCPT_MAX - type);
	if (n > 0)
		n = read_address(utf8, out->orcpt + type, (size_t)n);
	if (n <= 0)
		return &msv_smtp_bad_value;
	out->orcpt[type + (size_t)n] = '\0';
	return NULL;
}
