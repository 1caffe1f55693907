/*
 * The file mailserv-attributes of an account: what cannot be derived from the
 * mail and has no file of Dovecot's.
 *
 *	mailserv-attributes 1
 *	uidvalidity <the last one given to a mailbox>
 *	use \Sent <mailbox>
 *
 * Mailboxes are written as in the file subscriptions, version 2.  Lines that
 * are not known are kept.
 */
#ifndef MSV_STORE_ATTRIBUTES_H
#define MSV_STORE_ATTRIBUTES_H

#include "base/buf.h"

#define MSV_ATTRIBUTES      "mailserv-attributes"
#define MSV_ATTRIBUTES_LOCK "mailserv-attributes.lock"

/* The last UIDVALIDITY given, 0 when none was. */
uint32_t msv_attributes_uidvalidity(const char *p, size_t n);

/* Takes the next mailbox with a special use from *file: true; false at the
 * end. */
bool msv_attributes_next_use(struct msv_span *file, struct msv_span *mailbox, uint32_t *use);

/* What is to become of a file; NULL and 0: nothing. */
struct msv_attributes_edit {
	uint32_t uidvalidity; /* the last one given */
	struct msv_span set;  /* a mailbox that gets a special use ... */
	uint32_t use;         /* ... 0: loses it */
	struct msv_span from; /* a mailbox that, with its children, ... */
	struct msv_span to;   /* ... is called so now */
};
/* Writes the edited file to out.  0 or MSV_ERR_NOMEM. */
int msv_attributes_edit(
    struct msv_span file, const struct msv_attributes_edit *edit, struct msv_buf *out);

#endif
