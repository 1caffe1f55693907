/*
 * The file dovecot-uidlist: which message has which UID.
 *
 *	3 V<uidvalidity> N<uidnext> G<mailbox GUID>
 *	<uid> [<key><value> ...] :<base of the file name>
 *
 * Records are in rising order of UID and may be appended behind a header whose
 * N is then too small.  Version 1 (`1 <uidvalidity> <uidnext>`, records
 * `<uid> <base>`) is read, never written.
 */
#ifndef MSV_STORE_UIDLIST_H
#define MSV_STORE_UIDLIST_H

#include "base/buf.h"

#define MSV_UIDLIST      "dovecot-uidlist"
#define MSV_UIDLIST_LOCK "dovecot-uidlist.lock"

/* A line longer than this is no record. */
#define MSV_UIDLIST_LINE 1024
/* A mailbox GUID: 32 hexadecimal digits and a NUL. */
#define MSV_GUID_SIZE    33

struct msv_uidlist_header {
	unsigned version; /* 1 or 3 */
	uint32_t uidvalidity, uidnext;
	char guid[MSV_GUID_SIZE]; /* "" when there is none */
	char others[64];          /* keys that are not known here, as written */
};

struct msv_uidlist_record {
	uint32_t uid;
	struct msv_span keys; /* "Gvalue W123", without the space behind; empty: none */
	struct msv_span base;
};

/* Reads the first line, without its newline.  0 or MSV_ERR_FORMAT. */
int msv_uidlist_parse_header(const char *p, size_t n, struct msv_uidlist_header *out);
/* Writes a version 3 header with its newline; the length. */
#define MSV_UIDLIST_HEADER_SIZE 160
size_t msv_uidlist_format_header(
    const struct msv_uidlist_header *header, char out[MSV_UIDLIST_HEADER_SIZE]);

/* Reads a record's line, without its newline.  0 or MSV_ERR_FORMAT. */
int msv_uidlist_parse_record(
    unsigned version, const char *p, size_t n, struct msv_uidlist_record *out);
/* Writes a record with its newline; the length, or 0 when out is too small
 * (MSV_UIDLIST_LINE always holds what was parsed). */
size_t msv_uidlist_format_record(const struct msv_uidlist_record *record, char *out, size_t n);

/* The value of a key of a record; false: none. */
bool msv_uidlist_key(const struct msv_span *keys, char key, struct msv_span *value);

/* Takes a file in pieces of any size. */
struct msv_uidlist_reader {
	struct msv_uidlist_header header;
	uint32_t last;    /* the last record's UID */
	unsigned bad;     /* lines that were no records, or out of order */
	uint64_t offset;  /* behind the last whole line */
	uint64_t pending; /* bytes since */
	bool skipping;    /* inside a line that is too long */
	bool has_header;
	size_t nheld; /* the begin of a line whose end has not come */
	char held[MSV_UIDLIST_LINE];
};

/* Calls record for each; a nonzero result ends it and is returned.
 * MSV_ERR_FORMAT: the header is none.  Bytes behind the last newline are held
 * back and count in pending, not in offset. */
int msv_uidlist_read(struct msv_uidlist_reader *reader, const char *p, size_t n,
    int (*record)(void *user, const struct msv_uidlist_record *record), void *user);

/* The highest UID in the last whole lines of a file, out of its end.  0 when
 * no line there is a record. */
uint32_t msv_uidlist_last_uid(unsigned version, const char *p, size_t n);

#endif
