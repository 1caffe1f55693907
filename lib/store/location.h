/* Where mail is: the location template, and mailbox names as directories. */
#ifndef MSV_STORE_LOCATION_H
#define MSV_STORE_LOCATION_H

#include <mailserv/store.h>

#include "base/alloc.h"
#include "base/buf.h"

/* -- An account's directory ------------------------------------------------------ */

/* True when a template can be expanded. */
bool msv_location_valid(const char *location);

/*
 * Expands a template for an actor into two directories: *base is the
 * administrator's (made of the template's own text, the root and %{home}) and
 * may lead anywhere; *account (maybe "") is beneath it, and is the first part
 * that an account's name decides.  The caller frees both.  MSV_ERR_FORMAT: the
 * name is no account's; MSV_ERR_NOTFOUND: it has no home; MSV_ERR_NOMEM.
 */
int msv_location_expand(struct msv_env *env, const char *location, const char *root,
    const struct msv_actor *actor, char **base, char **account);

/* -- A mailbox's directory -------------------------------------------------------- */

struct msv_layout {
	bool fs; /* folders within folders; else Maildir++ */
	char separator;
	const char *prefix;
};

/*
 * Appends the folder of a mailbox: "" for INBOX, ".A.B" or "A/B".
 * MSV_ERR_NOTFOUND: the name is outside the prefix; MSV_ERR_FORMAT: the layout
 * has no such folder; MSV_ERR_LIMIT: too long; MSV_ERR_NOMEM.
 */
int msv_layout_folder(const struct msv_layout *layout, const char *mailbox, struct msv_buf *out);
/* Appends the mailbox of a folder, and a NUL behind it.  MSV_ERR_FORMAT: it is
 * no mailbox's folder; MSV_ERR_NOMEM. */
int msv_layout_mailbox(const struct msv_layout *layout, const char *folder, struct msv_buf *out);

/* The same for lines of the file subscriptions (levels joined by tabs). */
int msv_layout_line(const struct msv_layout *layout, const char *mailbox, struct msv_buf *out);
int msv_layout_mailbox_of_line(
    const struct msv_layout *layout, const char *line, size_t n, struct msv_buf *out);

/* The separator of folders on disk. */
char msv_layout_disk_separator(const struct msv_layout *layout);

#endif
