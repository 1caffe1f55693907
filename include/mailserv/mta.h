/*
 * Mail transfer: what stands between the SMTP server and the mailboxes.  It
 * decides about recipients, adds trace fields and delivers into a store.
 *
 * Mail for a local domain goes to the account of that name, without its tag if
 * there is none with it (user+tag@), and then into the folder of the tag's name
 * if there is one, else into INBOX.  Other recipients are refused at RCPT with
 * the reason.  A message whose Delivered-To names the recipient is a loop.
 *
 * 250 means that all copies are on disk: they are written and made durable, then
 * made visible.  A failure before that is one for all recipients (451, 452;
 * 552 for the only one's full mailbox); a copy that fails later is tried a few
 * times more, and if that is in vain the answer is 451: the message may then
 * come to others twice, but it is not lost.  LMTP answers for each recipient.
 */
#ifndef MAILSERV_MTA_H
#define MAILSERV_MTA_H

#include <mailserv/auth.h>
#include <mailserv/base.h>
#include <mailserv/smtp_server.h>
#include <mailserv/store.h>

#ifdef __cplusplus
extern "C" {
#endif

struct msv_mta;

/* Strings are copied; auth and store must outlive the mta. */
struct msv_mta_options {
	size_t size;
	const char *hostname; /* in Received fields [localhost] */
	/* The domains whose mail is delivered here, lower case or not, beyond ASCII
	 * in either form; accounts are looked up as they are spelled here. */
	const char *const *domains;
	size_t ndomains;
	/* The account that gets mail for postmaster@ any domain and postmaster
	 * alone (RFC 5321 4.5.1), where there is no account of that name [the
	 * first account "postmaster@..." of a domain, if there is one] */
	const char *postmaster;
	char tag_separator;            /* user+tag@ ['+'] */
	const struct msv_auth *auth;   /* required: lookup() says who has an account */
	const struct msv_store *store; /* required */
	/* Where bodies beyond body_memory go, as files without a name [/tmp]. */
	const char *spool;
	size_t body_memory;   /* a body up to this stays in memory [256 KiB] */
	size_t memory_budget; /* all bodies in memory together [64 MiB] */
};

/* MSV_ERR_INVAL (no auth, auth->lookup or store), MSV_ERR_FORMAT (a domain that is
 * none, or beyond ASCII in a build without libidn2), MSV_ERR_NOMEM. */
MSV_API int msv_mta_new(
    struct msv_env *env, const struct msv_mta_options *options, struct msv_mta **out);

/* The handler for msv_smtp_config, of any role; its `user` is the mta.  Lives
 * as long as the mta. */
MSV_API const struct msv_smtp_handler *msv_mta_handler(struct msv_mta *mta);

/* After all connections that use it. */
MSV_API void msv_mta_free(struct msv_mta *mta);

#ifdef __cplusplus
}
#endif

#endif
