/* The sender of forwarded mail: SRS, there and back.  Whom mail is forwarded to
 * sees it come from us, so its sender must be one of ours (RFC 7208 2.4). */
#include <string.h>

#include "codec/casefold.h"
#include "mta/mta.h"

static uint64_t now_s(const struct msv_mta *mta)
{
	return msv_env_realtime(mta->env) / 1000000;
}

/* A rewritten sender, or NULL when it stays; *error may become MSV_ERR_NOMEM. */
static char *rewrite(struct msv_mta *mta, const char *from, int *error)
{
	struct msv_smtp_mailbox sender, other;
	*error = 0;
	if (!mta->srs.nsecrets || msv_smtp_mailbox_parse(from, strlen(from), &sender) != 0 ||
	    msv_aliases_domain(mta->aliases, sender.domain))
		return NULL;
	struct msv_smtp_address address = msv_smtp_address_of(&sender);
	int rc = msv_srs_forward(&mta->srs, &address, now_s(mta), &other);
	if (rc == 1) {
		char *copy = msv_strdup(mta->env, other.address);
		*error = copy ? 0 : MSV_ERR_NOMEM;
		return copy;
	}
	if (rc == MSV_ERR_NOMEM)
		*error = rc;
	else if (rc < 0)
		msv_env_log(mta->env, MSV_LOG_WARN,
		    "mta forwarded from=%s: the sender stays as it is, SRS: %s", from,
		    msv_strerror(rc));
	return NULL;
}

int msv_mta_forward_sender(struct msv_mta *mta, const char *from, struct mta_leaf *leaf)
{
	int error;
	if (!*from) { /* nobody is told of what becomes of a notification, owners neither */
		msv_free(mta->env, leaf->sender);
		leaf->sender = NULL;
		return 0;
	}
	if (leaf->kind != MTA_REMOTE || !leaf->forwarded || leaf->sender)
		return 0;
	leaf->sender = rewrite(mta, from, &error);
	return error;
}

int msv_mta_forward_back(struct msv_mta *mta, const struct msv_smtp_address *given,
    struct msv_smtp_mailbox *room, struct mta_words *words)
{
	static const struct {
		int error;
		struct mta_words words;
	} table[] = {
		{ MSV_ERR_AUTH,
		    { 550, "5.7.1", "This forwarding address was not made by this server" } },
		{ MSV_ERR_STALE, { 550, "5.7.1", "This forwarding address has expired" } },
		{ MSV_ERR_FORMAT, { 550, "5.1.1", "This forwarding address is not complete" } },
		{ 0, { 451, "4.3.0", "Out of memory, try again later" } },
	};
	size_t i = 0;
	if (!mta->srs.nsecrets || !msv_srs_is(given->local) ||
	    !msv_ascii_equals(given->domain, strlen(given->domain), mta->srs.domain))
		return MSV_ERR_NOTFOUND;
	int rc = msv_srs_reverse(&mta->srs, given->local, now_s(mta), room);
	while (table[i].error && table[i].error != rc)
		i++;
	if (rc != 0 && rc != MSV_ERR_NOTFOUND)
		*words = table[i].words;
	return rc;
}
