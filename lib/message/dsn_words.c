/* What a status means to the one who sent the message, and what he can do. */
#include "message/dsn_parts.h"

#define ASK_POSTMASTER "Send this whole notification to whoever looks after your mail server."
#define CHECK_ADDRESS \
	"Check the address for typing mistakes, a letter left out or one too many. If it is " \
	"right, ask the person in another way which address to use now."
#define CHECK_DOMAIN \
	"Check the part of the address behind the @ for typing mistakes. If it is right, the " \
	"mistake is with those who run that domain."
#define SMALLER \
	"Send it in smaller pieces, or put what is large in a place where it can be fetched and " \
	"send the address of that place."
#define LATER       "Send the message again later. If it is urgent, reach the person in another way."
#define THEIR_FAULT "The mistake is with those who run %d. Reach the person in another way."
#define ASK_RECIPIENT \
	"If the message is one the person wants, ask in another way to be let in. The words of " \
	"that server may tell more."
#define NOT_GENUINE \
	"This is about how your domain is set up (SPF, DKIM, DMARC, reverse DNS), not about what " \
	"you wrote. " ASK_POSTMASTER
#define NEEDS_TLS \
	"So it was not sent: others could have read it on the way. If you asked for protection " \
	"and can do without, send it again without. If you did not: " ASK_POSTMASTER

/* By subject and detail; a detail of 0 stands for all that are not listed.  A kind
 * of 0 fits both 4 and 5. */
static const struct entry {
	uint16_t subject, detail;
	uint8_t kind;
	struct msv_dsn_words words;
} table[] = {
	{ 0, 0, 4, { "The server for %d did not take the message.", LATER } },
	{ 0, 0, 5, { "The server for %d refused the message.", ASK_RECIPIENT } },

	{ 1, 0, 0, { "The server for %d does not like one of the addresses.", CHECK_ADDRESS } },
	{ 1, 1, 0, { "There is no mailbox of that name at %d.", CHECK_ADDRESS } },
	{ 1, 2, 0, { "The domain %d does not exist, or has no mail server.", CHECK_DOMAIN } },
	{ 1, 3, 0, { "The address is not written the way mail addresses are.", CHECK_ADDRESS } },
	{ 1, 4, 0,
	    { "The address fits more than one mailbox at %d.",
	        "Write to the full address of the person you mean." } },
	{ 1, 6, 0,
	    { "The mailbox has moved, and nobody said where to.",
	        "Ask the person in another way which address to use now." } },
	{ 1, 7, 0,
	    { "Your own address is not one that the server for %d takes for an address.",
	        "Check the sender's address in your mail program." } },
	{ 1, 8, 0,
	    { "The server for %d does not find the domain of your own address.",
	        "Check the sender's address in your mail program. If it is "
	        "right: " ASK_POSTMASTER } },
	{ 1, 10, 0, { "The domain %d takes no mail at all.", CHECK_DOMAIN } },

	{ 2, 0, 0, { "Something is wrong with the mailbox at %d.", LATER } },
	{ 2, 1, 0,
	    { "The mailbox is closed: it takes no mail.", "Reach the person in another way." } },
	{ 2, 2, 0,
	    { "The mailbox is full.", "Tell the person in another way, and send the message again "
	                              "when there is room for it." } },
	{ 2, 3, 0, { "The message is larger than this mailbox may take.", SMALLER } },
	{ 2, 4, 0, { "The mailing list could not pass the message on.", THEIR_FAULT } },

	{ 3, 0, 0, { "Something is wrong with the mail server for %d.", THEIR_FAULT } },
	{ 3, 1, 0, { "The mail server for %d has no room for the message at present.", LATER } },
	{ 3, 2, 0, { "The server for %d takes no mail at present.", LATER } },
	{ 3, 3, 0, { "The server for %d lacks something this message needs.", ASK_POSTMASTER } },
	{ 3, 4, 0, { "The message is larger than the server for %d takes.", SMALLER } },
	{ 3, 5, 0, { "A mail server on the way to %d is set up wrongly.", ASK_POSTMASTER } },

	{ 4, 0, 0, { "The mail server for %d could not be reached.", CHECK_DOMAIN } },
	{ 4, 1, 0, { "The mail server for %d did not answer %h.", CHECK_DOMAIN } },
	{ 4, 2, 0,
	    { "The connection to the mail server for %d broke off, each time it was tried.",
	        LATER } },
	{ 4, 3, 0, { "The name service did not say where mail for %d goes.", CHECK_DOMAIN } },
	{ 4, 4, 0, { "No way to the mail server for %d was found.", CHECK_DOMAIN } },
	{ 4, 5, 0, { "The mail server for %d was too busy %h.", LATER } },
	{ 4, 6, 0,
	    { "The message went round in circles between mail servers and was stopped.",
	        "Mail for this address is forwarded to where it comes from. " ASK_POSTMASTER } },
	{ 4, 7, 0, { "The message could not be delivered %h.", LATER } },

	{ 5, 0, 0, { "The mail servers did not understand each other.", ASK_POSTMASTER } },
	{ 5, 3, 0,
	    { "The message has too many recipients for the server for %d.",
	        "Send it to fewer people at a time." } },

	{ 6, 0, 0,
	    { "The server for %d does not take what the message contains, or the form it has.",
	        "Send it in another form: as plain text, or without its attachments." } },
	{ 6, 2, 0,
	    { "The server for %d does not take the message in its form, and changing that would "
	      "have broken its signature.",
	        ASK_POSTMASTER } },
	{ 6, 6, 0, { "The message refers to content that could not be fetched.", LATER } },
	{ 6, 7, 0,
	    { "The server for %d does not know addresses beyond the letters a to z.",
	        "Write to another address of the person, or from another of yours." } },
	{ 6, 9, 0,
	    { "The server for %d does not know headers beyond the letters a to z.",
	        "Write to another address of the person, or from another of yours." } },

	{ 7, 0, 0, { "The server for %d refused the message by its own rules.", ASK_RECIPIENT } },
	{ 7, 1, 0,
	    { "The server for %d refused the message: it takes it for unwanted mail, or does not "
	      "let you write to this address.",
	        ASK_RECIPIENT } },
	{ 7, 2, 0,
	    { "You may not write to this mailing list.",
	        "Perhaps only its members may, under the address they joined with." } },
	{ 7, 4, 0, { "The connection to %d could not be protected as it must be.", NEEDS_TLS } },
	{ 7, 5, 0, { "The connection to %d could not be protected as it must be.", NEEDS_TLS } },
	{ 7, 7, 0,
	    { "The message was changed on its way, as its signature shows.", ASK_POSTMASTER } },
	{ 7, 8, 0,
	    { "Our mail server could not log in where it hands on mail for %d.", ASK_POSTMASTER } },
	{ 7, 10, 0,
	    { "The mail server for %d does not offer the protected connection (TLS) that is "
	      "required.",
	        NEEDS_TLS } },
	{ 7, 13, 0,
	    { "The account of this address is closed.", "Reach the person in another way." } },
	{ 7, 17, 0,
	    { "The mailbox belongs to somebody else now.",
	        "Ask the person for the new address." } },
	{ 7, 18, 0,
	    { "The domain %d belongs to somebody else now.",
	        "Ask the person for the new address." } },
	{ 7, 20, 0, { "The server for %d found no signature of your domain's.", NOT_GENUINE } },
	{ 7, 21, 0, { "The server for %d found no signature of your domain's.", NOT_GENUINE } },
	{ 7, 22, 0, { "The server for %d found no signature of your domain's.", NOT_GENUINE } },
	{ 7, 23, 0,
	    { "The server for %d does not believe that the message comes from your domain.",
	        NOT_GENUINE } },
	{ 7, 24, 0,
	    { "The server for %d could not find out whether the message comes from your domain.",
	        NOT_GENUINE } },
	{ 7, 25, 0,
	    { "The server for %d does not trust the address our server sends from.",
	        NOT_GENUINE } },
	{ 7, 26, 0,
	    { "The server for %d does not believe that the message comes from your domain.",
	        NOT_GENUINE } },
	{ 7, 27, 0,
	    { "The server for %d takes no mail from a domain that says it sends none.",
	        "Check the sender's address in your mail program." } },
	{ 7, 28, 0, { "The server for %d got too much mail at once.", LATER } },
	{ 7, 29, 0,
	    { "The server for %d does not believe those who forwarded the message.",
	        NOT_GENUINE } },
	{ 7, 30, 0,
	    { "The message asked for protected connections (TLS) all the way, and the server for "
	      "%d "
	      "does not promise that.",
	        NEEDS_TLS } },
};

static const struct entry *find(uint16_t subject, uint16_t detail, uint8_t kind)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (table[i].subject == subject && table[i].detail == detail &&
		    (!table[i].kind || table[i].kind == kind))
			return &table[i];
	return NULL;
}

struct msv_dsn_words msv_dsn_words(const struct msv_status *status, enum msv_dsn_action action)
{
	static const struct msv_dsn_words delivered = { "It is in the mailbox.", "" },
	                                  relayed = { "The next server took it.", "" },
	                                  expanded = { "It went to all who are behind this "
		                                       "address.",
		                                  "" };
	const struct entry *e = find(status->subject, status->detail, status->kind);

	if (action == MSV_DSN_DELIVERED)
		return delivered;
	if (action == MSV_DSN_RELAYED)
		return relayed;
	if (action == MSV_DSN_EXPANDED)
		return expanded;
	if (!e)
		e = find(status->subject, 0, status->kind);
	if (!e)
		e = find(0, 0, status->kind == 4 ? 4 : 5);
	return (
	    struct msv_dsn_words){ e->words.what, action == MSV_DSN_FAILED ? e->words.advice : "" };
}
