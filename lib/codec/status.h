/* Enhanced status codes (RFC 3463), with the registry of RFC 5248. */
#ifndef MSV_CODEC_STATUS_H
#define MSV_CODEC_STATUS_H

#include "base/buf.h"

/* "5.1.1".  All 0: none. */
struct msv_status {
	uint8_t kind; /* the class: 2 done, 4 not now, 5 never */
	uint16_t subject, detail;
};

/* Room for the longest, "5.999.999", with its NUL. */
#define MSV_STATUS_SIZE 10

/* Reads all of p[0..n).  0 or MSV_ERR_FORMAT (*out is 0.0.0). */
int msv_status_parse(const char *p, size_t n, struct msv_status *out);
/* Finds one at the front of a text, behind blanks and a reply code if there is one
 * ("550 5.1.1 no such user", "5.1.1 no such user"): returns how many octets it all
 * takes, 0 when there is none (*out is 0.0.0). */
size_t msv_status_find(const char *p, size_t n, struct msv_status *out);
/* Writes it; the length. */
size_t msv_status_write(const struct msv_status *status, char out[MSV_STATUS_SIZE]);
/* True when the class is that of an SMTP reply code (RFC 2034 4). */
bool msv_status_suits(const struct msv_status *status, int code);
/* What stands for a reply code that came without one (RFC 5248 2.4). */
struct msv_status msv_status_of_code(int code);
/* The registry's words, "Bad destination mailbox address"; for codes it does not know
 * those of the subject ("Addressing status"); never NULL. */
const char *msv_status_name(const struct msv_status *status);

#endif
