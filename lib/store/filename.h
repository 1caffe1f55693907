/* Names of files in a Maildir: <base>:2,<flags>, the base with ,S= and ,W=. */
#ifndef MSV_STORE_FILENAME_H
#define MSV_STORE_FILENAME_H

#include <mailserv/store.h>

/* Room for the longest ":2,DFPRSTabc...z" with its NUL. */
#define MSV_INFO_SIZE     40
/* Room for a file name with its NUL. */
#define MSV_FILENAME_SIZE 256
/* Keyword letters a..z are bits 0..25. */
#define MSV_MAX_LETTERS   26

/* What a file name says. */
struct msv_filename {
	struct msv_span base; /* up to the info */
	const char *info;     /* from the colon to the end; "" when there is none */
	uint32_t flags;       /* MSV_FLAG_* */
	uint32_t letters;     /* keywords */
	bool plain;           /* info is what msv_filename_info() writes */
};

/* Reads a name.  False when it cannot be a message's: hidden, too long, or
 * with bytes that would break the line of a uidlist. */
bool msv_filename_parse(const char *name, struct msv_filename *out);

/* Writes ":2," and the flags in ASCII order; the length. */
size_t msv_filename_info(uint32_t flags, uint32_t letters, char out[MSV_INFO_SIZE]);

/* Writes the info of a name whose info was `old` with other flags: letters
 * that mean nothing here stay.  MSV_ERR_LIMIT when n is too small. */
int msv_filename_change_info(
    const char *old, uint32_t flags, uint32_t letters, char *out, size_t n);

/* The number behind ",S=" (key 'S') or ",W=" in a base; false: none. */
bool msv_filename_size(const char *base, size_t n, char key, uint64_t *size);

/* A host name as it may stand in a file name: '/', ':' and the like as \ooo,
 * cut to what leaves room for the rest. */
void msv_filename_host(const char *host, char out[64]);

#endif
