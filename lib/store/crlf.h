/* Line ends: LF in files, CRLF on the wire, any split of the bytes. */
#ifndef MSV_STORE_CRLF_H
#define MSV_STORE_CRLF_H

#include <mailserv/base.h>

/* -- From the file to the wire ---------------------------------------------------- */

/* How many LF of p[0..n) have no CR before them; *cr says whether the byte
 * before p was a CR, and is brought up to date. */
size_t msv_bare_lf(const char *p, size_t n, bool *cr);

/* Copies n bytes to out (room for 2n; may lie in front of p so far that it is
 * never overtaken), with a CR before each LF that has none.  Returns how many
 * were written. */
size_t msv_to_crlf(const char *p, size_t n, bool *cr, char *out);

/* -- From the wire to the file ---------------------------------------------------- */

struct msv_to_lf {
	bool verbatim;  /* else a lone CR or a NUL is an error */
	bool cr;        /* a CR is held back */
	bool after_cr;  /* the byte written last was a CR: its CRLF stays as it is */
	uint64_t lines; /* LF written with no CR before them */
};

/* Writes p[0..n) to out (room for n + 2) with LF for CRLF, such that
 * msv_to_crlf() gives back the same bytes - but for a lone LF, which comes back
 * as CRLF.  *outn: bytes written.  MSV_ERR_FORMAT: a lone CR or a NUL. */
int msv_to_lf(struct msv_to_lf *state, const char *p, size_t n, char *out, size_t *outn);
/* The bytes end here; out has room for one. */
int msv_to_lf_end(struct msv_to_lf *state, char *out, size_t *outn);

#endif
