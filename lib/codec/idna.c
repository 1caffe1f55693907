#include "codec/idna.h"

#include <string.h>

#include "codec/casefold.h"
#include "codec/utf8.h"
#include "config.h"

#ifdef HAVE_IDN2
#include <idn2.h>

/* What libidn2 makes of it. */
static int convert(const char *domain, char out[MSV_DOMAIN_SIZE])
{
	char *ascii;

	if (idn2_to_ascii_8z(domain, &ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) != IDN2_OK)
		return MSV_ERR_FORMAT;
	size_t n = strlen(ascii);
	bool fits = n < MSV_DOMAIN_SIZE;
	if (fits)
		memcpy(out, ascii, n + 1);
	idn2_free(ascii);
	return fits ? 0 : MSV_ERR_FORMAT;
}
#else
static int convert(const char *domain, char out[MSV_DOMAIN_SIZE])
{
	(void)domain;
	(void)out;
	return MSV_ERR_FORMAT;
}
#endif

int msv_domain_to_ascii(const char *domain, char out[MSV_DOMAIN_SIZE])
{
	size_t n = strlen(domain);

	if (!msv_ascii_only(domain, n))
		return convert(domain, out);
	if (n >= MSV_DOMAIN_SIZE)
		return MSV_ERR_FORMAT;
	for (size_t i = 0; i <= n; i++)
		out[i] = msv_ascii_lower(domain[i]);
	return 0;
}
