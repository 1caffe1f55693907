/* Address lists of header fields (RFC 5322 3.4, 4.4), one at a time, as they
 * come in real mail. */
#ifndef MSV_MESSAGE_ADDRESS_H
#define MSV_MESSAGE_ADDRESS_H

#include "base/buf.h"
#include "codec/token.h"

enum msv_address_kind {
	MSV_ADDRESS_MAILBOX,
	MSV_ADDRESS_GROUP,     /* a group begins; name is its name */
	MSV_ADDRESS_GROUP_END, /* the group ends; all members are NULL */
};

/* One address; members are NULL when absent.  Encoded words are not decoded. */
struct msv_address_item {
	enum msv_address_kind kind;
	const char *name;    /* the phrase, quotes undone; else the last comment */
	const char *route;   /* the obsolete source route, "@a,@b" */
	const char *mailbox; /* the local part, quotes undone; "" when there is none */
	const char *host;    /* NULL: there was no domain */
	size_t name_len, route_len, mailbox_len, host_len;
};

struct msv_address_reader {
	struct msv_scan scan;
	bool in_group;
	size_t phrase; /* bytes of name in front of a local part */
	struct msv_buf name, route, mailbox, host, comment;
};

/* Reads the value of a field; the text must outlive the reader. */
void msv_address_reader_init(
    struct msv_address_reader *r, struct msv_env *env, const char *p, size_t n);
void msv_address_reader_fini(struct msv_address_reader *r);
/* The next one, in memory of the reader until the next call.  1; 0: no more;
 * MSV_ERR_NOMEM.  A group that is not ended is ended at the end. */
int msv_address_next(struct msv_address_reader *r, struct msv_address_item *out);

#endif
