#include "codec/status.h"

#include <stdio.h>
#include <string.h>

/* -- Reading and writing --------------------------------------------------------- */

/* 1*3digit; how many, 0: none. */
static size_t read_number(const char *p, size_t n, uint16_t *out)
{
	size_t i = 0;
	unsigned value = 0;

	for (; i < n && i < 3 && p[i] >= '0' && p[i] <= '9'; i++)
		value = value * 10 + (unsigned)(p[i] - '0');
	*out = (uint16_t)value;
	return i < n && p[i] >= '0' && p[i] <= '9' ? 0 : i;
}

/* status-code at the front (RFC 3463 2); its length or 0. */
static size_t read_status(const char *p, size_t n, struct msv_status *out)
{
	size_t subject, detail;

	if (n < 5 || (p[0] != '2' && p[0] != '4' && p[0] != '5') || p[1] != '.')
		return 0;
	out->kind = (uint8_t)(p[0] - '0');
	subject = read_number(p + 2, n - 2, &out->subject);
	if (!subject || 2 + subject >= n || p[2 + subject] != '.')
		return 0;
	detail = read_number(p + 3 + subject, n - 3 - subject, &out->detail);
	return detail ? 3 + subject + detail : 0;
}

int msv_status_parse(const char *p, size_t n, struct msv_status *out)
{
	size_t used = read_status(p, n, out);

	if (used && used == n)
		return 0;
	*out = (struct msv_status){ 0 };
	return MSV_ERR_FORMAT;
}

static size_t skip_blanks(const char *p, size_t n, size_t i)
{
	while (i < n && (p[i] == ' ' || p[i] == '\t'))
		i++;
	return i;
}

/* "550" or "550-", a blank behind it; where what follows begins. */
static size_t skip_code(const char *p, size_t n, size_t i)
{
	uint16_t code;

	if (n - i < 4 || read_number(p + i, n - i, &code) != 3)
		return i;
	return strchr(" -", p[i + 3]) && p[i + 3] ? skip_blanks(p, n, i + 4) : i;
}

size_t msv_status_find(const char *p, size_t n, struct msv_status *out)
{
	size_t i = skip_code(p, n, skip_blanks(p, n, 0));
	size_t used = read_status(p + i, n - i, out);

	/* "5.1.1.example.org" is a name, "5.1.1" a status. */
	if (used && (i + used == n || strchr(" \t:,;)]-", p[i + used])))
		return i + used;
	*out = (struct msv_status){ 0 };
	return 0;
}

size_t msv_status_write(const struct msv_status *status, char out[MSV_STATUS_SIZE])
{
	int n = snprintf(out, MSV_STATUS_SIZE, "%u.%u.%u", status->kind % 10u,
	    status->subject % 1000u, status->detail % 1000u);

	return n < 0 ? 0 : (size_t)n;
}

bool msv_status_suits(const struct msv_status *status, int code)
{
	return status->kind != 0 && code / 100 == status->kind;
}

/* -- The registry ---------------------------------------------------------------------- */

/* Codes of SMTP replies that tell more than their class. */
struct msv_status msv_status_of_code(int code)
{
	static const struct {
		int code;
		struct msv_status status;
	} known[] = {
		{ 421, { 4, 4, 2 } },
		{ 450, { 4, 2, 0 } },
		{ 452, { 4, 3, 1 } },
		{ 454, { 4, 7, 0 } },
		{ 500, { 5, 5, 2 } },
		{ 501, { 5, 5, 4 } },
		{ 502, { 5, 5, 1 } },
		{ 503, { 5, 5, 1 } },
		{ 504, { 5, 5, 4 } },
		{ 521, { 5, 3, 2 } },
		{ 523, { 5, 7, 10 } },
		{ 530, { 5, 7, 0 } },
		{ 534, { 5, 7, 9 } },
		{ 535, { 5, 7, 8 } },
		{ 538, { 5, 7, 11 } },
		{ 551, { 5, 1, 6 } },
		{ 552, { 5, 2, 2 } },
		{ 553, { 5, 1, 3 } },
		{ 555, { 5, 5, 4 } },
		{ 556, { 5, 1, 10 } },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (known[i].code == code)
			return known[i].status;
	int kind = code / 100;
	return (struct msv_status){ (uint8_t)(kind == 2 || kind == 4 ? kind : 5), 0, 0 };
}

static const struct entry {
	uint16_t subject, detail;
	const char *name;
} registry[] = {
	{ 0, 0, "Other undefined status" }, { 1, 0, "Other address status" },
	{ 1, 1, "Bad destination mailbox address" }, { 1, 2, "Bad destination system address" },
	{ 1, 3, "Bad destination mailbox address syntax" },
	{ 1, 4, "Destination mailbox address ambiguous" }, { 1, 5, "Destination address valid" },
	{ 1, 6, "Destination mailbox has moved, no forwarding address" },
	{ 1, 7, "Bad sender's mailbox address syntax" }, { 1, 8, "Bad sender's system address" },
	{ 1, 9, "Message relayed to non-compliant mailer" }, /* RFC 3886 */
	{ 1, 10, "Recipient address has null MX" },          /* RFC 7505 */
	{ 2, 0, "Other or undefined mailbox status" },
	{ 2, 1, "Mailbox disabled, not accepting messages" }, { 2, 2, "Mailbox full" },
	{ 2, 3, "Message length exceeds administrative limit" },
	{ 2, 4, "Mailing list expansion problem" },
	{ 3, 0, "Other or undefined mail system status" }, { 3, 1, "Mail system full" },
	{ 3, 2, "System not accepting network messages" },
	{ 3, 3, "System not capable of selected features" }, { 3, 4, "Message too big for system" },
	{ 3, 5, "System incorrectly configured" },
	{ 3, 6, "Requested priority was changed" }, /* RFC 6710 */
	{ 4, 0, "Other or undefined network or routing status" }, { 4, 1, "No answer from host" },
	{ 4, 2, "Bad connection" }, { 4, 3, "Directory server failure" },
	{ 4, 4, "Unable to route" }, { 4, 5, "Mail system congestion" },
	{ 4, 6, "Routing loop detected" }, { 4, 7, "Delivery time expired" },
	{ 5, 0, "Other or undefined protocol status" }, { 5, 1, "Invalid command" },
	{ 5, 2, "Syntax error" }, { 5, 3, "Too many recipients" },
	{ 5, 4, "Invalid command arguments" }, { 5, 5, "Wrong protocol version" },
	{ 5, 6, "Authentication exchange line is too long" }, /* RFC 4954 */
	{ 6, 0, "Other or undefined media error" }, { 6, 1, "Media not supported" },
	{ 6, 2, "Conversion required and prohibited" },
	{ 6, 3, "Conversion required but not supported" },
	{ 6, 4, "Conversion with loss performed" }, { 6, 5, "Conversion failed" },
	{ 6, 6, "Message content not available" },              /* RFC 4468 */
	{ 6, 7, "Non-ASCII addresses not permitted" },          /* RFC 6531 */
	{ 6, 8, "UTF-8 string reply is required" },             /* RFC 6531 */
	{ 6, 9, "UTF-8 header message cannot be transferred" }, /* RFC 6531 */
	{ 7, 0, "Other or undefined security status" },
	{ 7, 1, "Delivery not authorized, message refused" },
	{ 7, 2, "Mailing list expansion prohibited" },
	{ 7, 3, "Security conversion required but not possible" },
	{ 7, 4, "Security features not supported" }, { 7, 5, "Cryptographic failure" },
	{ 7, 6, "Cryptographic algorithm not supported" }, { 7, 7, "Message integrity failure" },
	{ 7, 8, "Authentication credentials invalid" },   /* RFC 4954 */
	{ 7, 9, "Authentication mechanism is too weak" }, /* RFC 4954 */
	{ 7, 10, "Encryption needed" },                   /* RFC 5248 */
	{ 7, 11, "Encryption required for requested authentication mechanism" },
	{ 7, 12, "A password transition is needed" },                          /* RFC 4954 */
	{ 7, 13, "User account disabled" },                                    /* RFC 5248 */
	{ 7, 14, "Trust relationship required" },                              /* RFC 5248 */
	{ 7, 15, "Priority level is too low" },                                /* RFC 6710 */
	{ 7, 16, "Message is too big for the specified priority" },            /* RFC 6710 */
	{ 7, 17, "Mailbox owner has changed" },                                /* RFC 7293 */
	{ 7, 18, "Domain owner has changed" },                                 /* RFC 7293 */
	{ 7, 19, "RRVS test cannot be completed" },                            /* RFC 7293 */
	{ 7, 20, "No passing DKIM signature found" },                          /* RFC 7372 */
	{ 7, 21, "No acceptable DKIM signature found" },                       /* RFC 7372 */
	{ 7, 22, "No valid author-matched DKIM signature found" },             /* RFC 7372 */
	{ 7, 23, "SPF validation failed" },                                    /* RFC 7372 */
	{ 7, 24, "SPF validation error" },                                     /* RFC 7372 */
	{ 7, 25, "Reverse DNS validation failed" },                            /* RFC 7372 */
	{ 7, 26, "Multiple authentication checks failed" },                    /* RFC 7372 */
	{ 7, 27, "Sender address has null MX" },                               /* RFC 7505 */
	{ 7, 28, "Mail flood detected" }, { 7, 29, "ARC validation failure" }, /* RFC 8617 */
	{ 7, 30, "REQUIRETLS support required" },                              /* RFC 8689 */
};

const char *msv_status_name(const struct msv_status *status)
{
	const char *name = registry[0].name;

	for (size_t i = 0; i < sizeof(registry) / sizeof(registry[0]); i++) {
		if (registry[i].subject != status->subject)
			continue;
		if (registry[i].detail == status->detail)
			return registry[i].name;
		if (registry[i].detail == 0)
			name = registry[i].name;
	}
	return name;
}
