/* Domain names beyond ASCII, as the DNS has them (RFC 5890, 5891). */
#ifndef MSV_CODEC_IDNA_H
#define MSV_CODEC_IDNA_H

#include <mailserv/base.h>

#define MSV_DOMAIN_SIZE 256 /* the longest domain, with its NUL */

/* Writes a domain with its labels beyond ASCII as A-labels ("xn--...") and its
 * letters A-Z as a-z.  Two spellings of one domain come out the same.
 * MSV_ERR_FORMAT: too long, or beyond ASCII and no domain (any such in a build
 * without libidn2). */
int msv_domain_to_ascii(const char *domain, char out[MSV_DOMAIN_SIZE]);

#endif
