/* The Sender Rewriting Scheme: forwarded mail leaves with a sender of ours, and
 * its bounces find the way back. */
#include <string.h>

#include "codec/casefold.h"
#include "codec/crypto.h"
#include "mta/aliases.h"

#define SEPARATOR   '='
#define HASH_LENGTH 4
#define HASH_MAX    27 /* characters of base64 that 20 octets fill */
#define STAMP_SIZE  2
#define STAMP_SLOTS 1024 /* days until stamps begin anew */
#define MAX_AGE     21
#define LOCAL_MAX   64

static const char base32[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/* 0, 1: the number behind "SRS" of an SRS address; -1: it is none. */
static int kind_of(const char *local)
{
	if (!msv_ascii_equal(local, strnlen(local, 3), "srs", 3))
		return -1;
	if ((local[3] != '0' && local[3] != '1') || !local[4] || !strchr("=+-", local[4]))
		return -1;
	return local[3] - '0';
}

bool msv_srs_is(const char *local)
{
	return kind_of(local) >= 0;
}

static bool usable(const struct msv_srs *srs)
{
	return srs->nsecrets && srs->domain && *srs->domain && srs->hash_length <= HASH_MAX;
}

static size_t hash_length(const struct msv_srs *srs)
{
	return srs->hash_length < HASH_LENGTH ? HASH_LENGTH : srs->hash_length;
}

/* -- Hashes ----------------------------------------------------------------------- */

/* The hash of the parts' lower-case text, one behind another: base64. */
static int sign(const struct msv_span *secret, const struct msv_span *parts, size_t n,
    char out[MSV_BASE64_SIZE(MSV_SHA1_SIZE)])
{
	char text[2 * MSV_SMTP_ADDRESS_MAX];
	uint8_t digest[MSV_DIGEST_SIZE];
	size_t length = 0;

	for (size_t i = 0; i < n; i++) {
		if (parts[i].n > sizeof text - length)
			return MSV_ERR_LIMIT;
		for (size_t k = 0; k < parts[i].n; k++)
			text[length++] = msv_ascii_lower(parts[i].p[k]);
	}
	int error = msv_hmac(MSV_SHA1, secret->p, secret->n, text, length, digest);
	if (!error)
		msv_base64_encode(digest, MSV_SHA1_SIZE, out);
	return error;
}

/* Is the hash that of the parts, by any of the secrets?  Servers on the way may
 * have changed the case of its letters. */
static int verify(
    const struct msv_srs *srs, struct msv_span hash, const struct msv_span *parts, size_t n)
{
	char right[MSV_BASE64_SIZE(MSV_SHA1_SIZE)], given[HASH_MAX];
	bool same = false;

	if (hash.n < hash_length(srs) || hash.n > HASH_MAX)
		return MSV_ERR_AUTH;
	for (size_t i = 0; i < hash.n; i++)
		given[i] = msv_ascii_lower(hash.p[i]);
	for (size_t i = 0; i < srs->nsecrets; i++) {
		int error = sign(&srs->secrets[i], parts, n, right);
		if (error)
			return error;
		for (size_t k = 0; k < hash.n; k++)
			right[k] = msv_ascii_lower(right[k]);
		same |= msv_secret_equal(given, right, hash.n);
	}
	return same ? 0 : MSV_ERR_AUTH;
}

/* -- Days ------------------------------------------------------------------------- */

static void put_stamp(uint64_t now, char out[STAMP_SIZE])
{
	uint64_t day = now / 86400 % STAMP_SLOTS;

	out[0] = base32[day / 32];
	out[1] = base32[day % 32];
}

/* 0, MSV_ERR_FORMAT, MSV_ERR_STALE. */
static int check_stamp(const struct msv_srs *srs, struct msv_span stamp, uint64_t now)
{
	uint64_t day = 0, max = srs->max_age ? srs->max_age : MAX_AGE;

	if (stamp.n != STAMP_SIZE)
		return MSV_ERR_FORMAT;
	for (size_t i = 0; i < stamp.n; i++) {
		char c = stamp.p[i] >= 'a' && stamp.p[i] <= 'z' ? (char)(stamp.p[i] - 'a' + 'A')
		                                                : stamp.p[i];
		const char *found = c ? strchr(base32, c) : NULL;
		if (!found)
			return MSV_ERR_FORMAT;
		day = 32 * day + (uint64_t)(found - base32);
	}
	return (now / 86400 + STAMP_SLOTS - day) % STAMP_SLOTS > max ? MSV_ERR_STALE : 0;
}

/* -- Forward ---------------------------------------------------------------------- */

/* Cuts what is in front of the next "=" off *rest; false: there is none, or
 * nothing is in front of it. */
static bool cut(struct msv_span *rest, struct msv_span *out)
{
	const char *end = memchr(rest->p, SEPARATOR, rest->n);

	if (!end || end == rest->p)
		return false;
	*out = (struct msv_span){ rest->p, (size_t)(end - rest->p) };
	rest->n -= out->n + 1;
	rest->p = end + 1;
	return true;
}

/* Writes "SRS0=hash=parts[0]=parts[1]..." with the sender's parts. */
static int compose(const struct msv_srs *srs, char number, const struct msv_span *parts, size_t n,
    struct msv_smtp_mailbox *out)
{
	char hash[MSV_BASE64_SIZE(MSV_SHA1_SIZE)], local[MSV_SMTP_LOCAL_MAX + 1] = "SRS";
	size_t length = hash_length(srs), at = 5, max = srs->local_max ? srs->local_max : LOCAL_MAX;
	int error = sign(&srs->secrets[0], parts, n, hash);

	if (error)
		return error;
	local[3] = number;
	local[4] = srs->separator ? srs->separator : SEPARATOR;
	memcpy(local + at, hash, length);
	at += length;
	for (size_t i = 0; i < n; i++) {
		if (at + 1 + parts[i].n > max || at + 1 + parts[i].n > MSV_SMTP_LOCAL_MAX)
			return MSV_ERR_LIMIT;
		local[at++] = SEPARATOR;
		memcpy(local + at, parts[i].p, parts[i].n);
		at += parts[i].n;
	}
	local[at] = '\0';
	return msv_alias_compose(local, srs->domain, out);
}

static struct msv_span span_of(const char *s)
{
	return (struct msv_span){ s, strlen(s) };
}

/* Another server's SRS0 address: it is asked in the end, and we are asked first. */
static int forward_srs0(
    const struct msv_srs *srs, const struct msv_smtp_address *sender, struct msv_smtp_mailbox *out)
{
	/* What stands behind "SRS0", with its separator. */
	struct msv_span parts[] = { span_of(sender->domain), span_of(sender->local + 4) };

	return compose(srs, '1', parts, 2, out);
}

/* Another server's SRS1 address: we take its place. */
static int forward_srs1(
    const struct msv_srs *srs, const struct msv_smtp_address *sender, struct msv_smtp_mailbox *out)
{
	struct msv_span rest = span_of(sender->local + 5), hash, parts[2];

	if (!cut(&rest, &hash) || !cut(&rest, &parts[0]) || !rest.n)
		return MSV_ERR_FORMAT;
	parts[1] = rest;
	return compose(srs, '1', parts, 2, out);
}

int msv_srs_forward(const struct msv_srs *srs, const struct msv_smtp_address *sender, uint64_t now,
    struct msv_smtp_mailbox *out)
{
	char stamp[STAMP_SIZE];
	int error, kind = kind_of(sender->local);

	if (!usable(srs))
		return MSV_ERR_INVAL;
	if (!*sender->local && !*sender->domain)
		return 0;
	if (!*sender->domain)
		return MSV_ERR_FORMAT;
	if (msv_ascii_equals(sender->domain, strlen(sender->domain), srs->domain))
		return 0;
	if (kind == 0) {
		error = forward_srs0(srs, sender, out);
	} else if (kind == 1) {
		error = forward_srs1(srs, sender, out);
	} else {
		put_stamp(now, stamp);
		struct msv_span parts[] = { { stamp, sizeof stamp }, span_of(sender->domain),
			span_of(sender->local) };
		error = compose(srs, '0', parts, 3, out);
	}
	return error ? error : 1;
}

/* -- Back ------------------------------------------------------------------------- */

/* Writes prefix, local part and domain as an address. */
static int write_back(
    const char *prefix, struct msv_span local, struct msv_span domain, struct msv_smtp_mailbox *out)
{
	char l[MSV_SMTP_LOCAL_MAX + 1], d[MSV_SMTP_DOMAIN_MAX + 1];
	size_t n = strlen(prefix);

	if (n + local.n > MSV_SMTP_LOCAL_MAX || domain.n > MSV_SMTP_DOMAIN_MAX)
		return MSV_ERR_FORMAT;
	memcpy(l, prefix, n);
	memcpy(l + n, local.p, local.n);
	l[n + local.n] = '\0';
	memcpy(d, domain.p, domain.n);
	d[domain.n] = '\0';
	return msv_alias_compose(l, d, out) == 0 ? 0 : MSV_ERR_FORMAT;
}

static int reverse_srs0(
    const struct msv_srs *srs, struct msv_span rest, uint64_t now, struct msv_smtp_mailbox *out)
{
	struct msv_span hash, parts[3];

	if (!cut(&rest, &hash) || !cut(&rest, &parts[0]) || !cut(&rest, &parts[1]) || !rest.n)
		return MSV_ERR_FORMAT;
	parts[2] = rest;
	int error = verify(srs, hash, parts, 3);
	if (!error)
		error = check_stamp(srs, parts[0], now);
	return error ? error : write_back("", parts[2], parts[1], out);
}

static int reverse_srs1(
    const struct msv_srs *srs, struct msv_span rest, struct msv_smtp_mailbox *out)
{
	struct msv_span hash, parts[2];

	if (!cut(&rest, &hash) || !cut(&rest, &parts[0]) || !rest.n)
		return MSV_ERR_FORMAT;
	parts[1] = rest;
	int error = verify(srs, hash, parts, 2);
	return error ? error : write_back("SRS0", parts[1], parts[0], out);
}

int msv_srs_reverse(
    const struct msv_srs *srs, const char *local, uint64_t now, struct msv_smtp_mailbox *out)
{
	int kind = kind_of(local);

	if (!usable(srs))
		return MSV_ERR_INVAL;
	if (kind < 0)
		return MSV_ERR_NOTFOUND;
	struct msv_span rest = span_of(local + 5);
	return kind == 0 ? reverse_srs0(srs, rest, now, out) : reverse_srs1(srs, rest, out);
}
