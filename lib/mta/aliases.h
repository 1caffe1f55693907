/*
 * Names that stand for other names: the aliases file and its expansion, SRS,
 * masquerading, and who may send as whom.  Pure: nothing here knows sockets or
 * clocks, and files are read by functions the caller gives.
 *
 * The flow of a RCPT:
 *
 *	msv_srs_reverse()            an SRS address of ours: a remote one instead
 *	msv_expand()                 leaves; then for each leaf in turn, new ones included:
 *	  LOCAL                      look the account up; none: msv_expansion_no_account()
 *	  REMOTE PROGRAM DISCARD     as they stand
 *	  ERROR                      log it; all leaves are errors: refuse by the first
 */
#ifndef MSV_MTA_ALIASES_H
#define MSV_MTA_ALIASES_H

#include <mailserv/smtp_server.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "codec/arena.h"
#include "smtp/smtp.h"

/* -- The aliases file (aliases.c, alias_load.c) ------------------------------------ */

#define MSV_ALIASES_SIZE_MAX   ((size_t)64 << 20) /* octets: a file, and all together */
#define MSV_ALIAS_TARGETS_MAX  10000              /* targets of one alias */
#define MSV_ALIAS_DEPTH_MAX    20                 /* aliases in aliases */
#define MSV_ALIAS_LEAVES_MAX   10000              /* what an address expands to */
#define MSV_ALIAS_INCLUDES_MAX 1000               /* :include: files, those in these too */
#define MSV_ALIAS_WORDS_MAX    64                 /* words of a program */
#define MSV_ALIAS_PROGRAM_MAX  4096               /* octets of a program's words */
#define MSV_ALIAS_REPORTS_MAX  100                /* mistakes told of one file */

struct msv_aliases;

/* Told a finished line for people: "aliases:3: what is wrong; what to do". */
typedef void (*msv_alias_report_fn)(void *user, enum msv_log_level level, const char *line);

/* Everything is copied; members that are NULL or 0 mean the default. */
struct msv_aliases_options {
	const char *name; /* of the file, in reports and steps ["aliases"] */
	/* The domains of this server, in the order of the configuration: a bare name
	 * is looked for in the domain it came from, then in these. */
	const char *const *domains;
	size_t ndomains;
	const char *postmaster; /* as in msv_mta_options */
	char tag_separator;     /* ['+'] */
	bool programs;          /* "|/path/program" is allowed */

	/* Appends the contents of an :include: file [there are none].  0; MSV_ERR_BUSY:
	 * not at hand yet - msv_aliases_new() then asks for the others it can see and
	 * fails with MSV_ERR_BUSY, telling no mistakes: call it again when all are
	 * there; any other error is reported at the line, the rest of the file holds. */
	int (*read_file)(void *user, const char *path, struct msv_buf *out);
	msv_alias_report_fn report; /* mistakes [not told] */
	void *user;
};

/*
 * Reads n bytes of an aliases file (NULL, 0: there is none; accounts, tags and
 * postmaster still work).  A line that is broken is reported and left out, a
 * broken target too; the others hold.  A name that has no good target, or an
 * :include: that cannot be read, becomes a 451, so that mail waits.
 *
 * 0; MSV_ERR_NOMEM; MSV_ERR_LIMIT (larger than MSV_ALIASES_SIZE_MAX);
 * MSV_ERR_FORMAT (a domain of the options is none); MSV_ERR_BUSY (see read_file).
 */
int msv_aliases_new(struct msv_env *env, const struct msv_aliases_options *options,
    const char *text, size_t n, struct msv_aliases **out);
/* One more user; expansions are such.  A reload makes a new table and lets go of
 * the old one. */
void msv_aliases_ref(struct msv_aliases *aliases);
/* The last one frees; NULL is fine. */
void msv_aliases_unref(struct msv_aliases *aliases);
/* How many names there are. */
size_t msv_aliases_count(const struct msv_aliases *aliases);
/* The domain as the options spell it, in lower case, however it was spelled here;
 * NULL: not ours. */
const char *msv_aliases_domain(const struct msv_aliases *aliases, const char *domain);
/* The program that stands as the index-th program behind that name: its words,
 * ended by NULL; NULL: there is none.  Belongs to the table. */
const char *const *msv_aliases_program(
    const struct msv_aliases *aliases, const char *name, size_t index);

/* A read_file for programs that may read what is named: an ordinary file of at
 * most MSV_ALIASES_SIZE_MAX octets.  user is not looked at.  MSV_ERR_NOTFOUND,
 * MSV_ERR_DENIED, MSV_ERR_FORMAT (no ordinary file), MSV_ERR_LIMIT, MSV_ERR_IO,
 * MSV_ERR_NOMEM.  Blocks. */
int msv_alias_read_file(void *user, const char *path, struct msv_buf *out);

/* -- Expansion (alias_expand.c) ------------------------------------------------------- */

enum msv_leaf_kind {
	MSV_LEAF_LOCAL,   /* an account to be looked up */
	MSV_LEAF_REMOTE,  /* an address elsewhere */
	MSV_LEAF_PROGRAM, /* msv_aliases_program() has its words */
	MSV_LEAF_DISCARD, /* /dev/null: accepted and dropped */
	MSV_LEAF_ERROR,   /* refused: code, enhanced, text */
	MSV_LEAF_GONE,    /* msv_expansion_no_account() put others at the end instead */
};

/* Strings belong to the expansion; NULL where there is nothing. */
struct msv_leaf {
	enum msv_leaf_kind kind;
	const char *address;         /* LOCAL: the account's name; REMOTE: normalized quoting */
	const char *local, *domain;  /* its parts, quotes taken off */
	const char *tag;             /* LOCAL: what was cut off behind the separator; NULL none */
	const char *name;            /* PROGRAM: the alias it stands behind */
	size_t index;                /* PROGRAM: which of the programs there */
	int code;                    /* ERROR: 4xx or 5xx, */
	const char *enhanced, *text; /* "5.1.1" and words */

	/* The envelope sender from here on: "owner-list@example.org", because there is
	 * such an alias (RFC 3461 5.2.7.1: a mailing list, so DSN parameters end here);
	 * NULL: the sender stays. */
	const char *sender;
	/* An alias of several targets was on the way (RFC 3461 5.2.7.3: "expanded");
	 * false: parameters are handed on (5.2.7.2). */
	bool several;
	bool forwarded; /* any alias was on the way */

	struct msv_leaf_state *state; /* alias_expand.c's */
};

struct msv_expansion {
	struct msv_leaf *leaves;
	size_t nleaves; /* never 0 after msv_expand() */
	struct msv_expansion_state *state;
};

/* Told each step in words: "root -> admin, someone@else.org (aliases:3)". */
typedef void (*msv_expand_step_fn)(void *user, const char *text);

/*
 * Expands an address (domain "": postmaster alone, as in RFC 5321 4.5.1).
 *
 * What is tried for local+tag@domain of ours, the first that fits: the aliases
 * local+tag@domain, local@domain, local+tag, local; the account local+tag@domain;
 * the account local@domain (tag is set then); for a bare name from an alias the
 * other domains; for mailer-daemon the postmaster; for postmaster the options'
 * account and any domain's postmaster; the domain alias or catch-all @domain; the
 * catch-all @ of all domains.  Everything behind the first account is left to
 * msv_expansion_no_account(), because only the caller can look accounts up.
 *
 * An alias that names itself means the account of that name ("anna: anna,
 * anna@else.org" keeps a copy); a longer loop is an ERROR leaf.  Two ways to one
 * leaf make one leaf.
 *
 * step may be NULL; it is told about later steps too and must stay callable.
 * 0 or MSV_ERR_NOMEM.
 */
int msv_expand(struct msv_aliases *aliases, const struct msv_smtp_address *to,
    msv_expand_step_fn step, void *user, struct msv_expansion *out);
/*
 * The LOCAL leaf leaves[i] has no account that receives mail: what to try next.
 * Afterwards it is LOCAL with another name (look that up), GONE (other leaves were
 * added at the end; `leaves` may have moved), or ERROR.  Ends after at most
 * 4 + 2 * domains calls for one leaf.  0 or MSV_ERR_NOMEM (leaf unchanged).
 */
int msv_expansion_no_account(struct msv_expansion *x, size_t i);
/* Frees what it holds; a zeroed one is fine. */
void msv_expansion_fini(struct msv_expansion *x);

/* -- SRS (srs.c) --------------------------------------------------------------------------- */

/*
 * The Sender Rewriting Scheme as libsrs2 and postsrsd do it:
 *
 *	SRS0=HHHH=TT=domain=local@us         of local@domain
 *	SRS1=HHHH=first==HHHH=TT=domain=local@us   of SRS0=HHHH=...@first
 *
 * HHHH is the base64 of a HMAC-SHA1 over the lower-case text behind it, cut; TT is
 * the day in base32.
 */
struct msv_srs {
	const struct msv_span *secrets; /* the first signs, all of them verify */
	size_t nsecrets;
	const char *domain; /* of the new addresses; one of ours */
	char separator;     /* behind SRS0 and SRS1: '=' '+' '-' ['='] */
	unsigned
	    hash_length;  /* characters of the hash, 4 to 27 [4]; longer ones are verified whole */
	unsigned max_age; /* days an address is good for, up to 1000 [21] */
	size_t local_max; /* octets a local part may get [64, RFC 5321 4.5.3.1.1]; up to 255 */
};

/* True when a local part looks like SRS: SRS0 or SRS1 and a separator, in any
 * case. */
bool msv_srs_is(const char *local);
/*
 * The envelope sender for mail that is forwarded to another server, at `now`
 * (seconds since the epoch).  1: *out is it; 0: the sender stays, it is empty or
 * of srs->domain already.  MSV_ERR_LIMIT: it would be too long: the caller
 * forwards with the sender as it is, and says so in the log.  MSV_ERR_INVAL: no
 * secret, no domain.  MSV_ERR_FORMAT: the sender has no domain, or the SRS1
 * address it is has no parts.  MSV_ERR_NOMEM.
 */
int msv_srs_forward(const struct msv_srs *srs, const struct msv_smtp_address *sender, uint64_t now,
    struct msv_smtp_mailbox *out);
/*
 * Whom an SRS address of ours stands for; the caller has seen that the domain is
 * ours.  The result may be an SRS0 address of another server.  Only mail from the
 * empty sender needs to be let through this way.  0; MSV_ERR_NOTFOUND: this is no
 * SRS address; MSV_ERR_AUTH: the hash is wrong; MSV_ERR_STALE: it is too old;
 * MSV_ERR_FORMAT: parts are missing; MSV_ERR_INVAL, MSV_ERR_NOMEM.
 */
int msv_srs_reverse(
    const struct msv_srs *srs, const char *local, uint64_t now, struct msv_smtp_mailbox *out);

/* -- Masquerading (masquerade.c) -------------------------------------------------------------- */

struct msv_masquerade;

/* Where mistakes in a small table go. */
struct msv_table_options {
	const char *name; /* of the file, in reports; required */
	msv_alias_report_fn report;
	void *user;
};

/*
 * A table of lines, comments and continued lines as in the aliases file:
 *
 *	root@host.example.org:  admin@example.org     one address
 *	@host.example.org:      @example.org          a domain; the local part stays
 *	@.example.org:          @example.org          every domain below it
 *
 * An address goes before a domain, a domain before the longest domain above it;
 * what came out is not looked up again.  A broken line is reported and left out.
 * 0, MSV_ERR_NOMEM, MSV_ERR_LIMIT (more than 1 MiB).
 */
int msv_masquerade_new(struct msv_env *env, const struct msv_table_options *options,
    const char *text, size_t n, struct msv_masquerade **out);
void msv_masquerade_free(struct msv_masquerade *m);
/* An address of the envelope.  1: *out is the other one, 0: it stays. */
int msv_masquerade_address(const struct msv_masquerade *m, const struct msv_smtp_address *address,
    struct msv_smtp_mailbox *out);
/*
 * A whole header section (with its empty line or without; LF or CRLF): From,
 * Sender, Reply-To and their Resent- sisters with other addresses, every other
 * octet as it was.  1: appended to out; 0: nothing changes and nothing was
 * appended - always so with a DKIM-Signature, which would be broken.
 * MSV_ERR_NOMEM.
 */
int msv_masquerade_header(
    const struct msv_masquerade *m, const char *p, size_t n, struct msv_buf *out);

/* -- Who may send as whom (sender.c) ------------------------------------------------------------ */

struct msv_senders;

/*
 * A table of lines `account: address, @domain, *`, comments and continued lines
 * as in the aliases file; several lines of one account add up, and "*" as the
 * account means everybody.  A broken line is reported and left out.  0,
 * MSV_ERR_NOMEM, MSV_ERR_LIMIT (more than 16 MiB).
 */
int msv_senders_new(struct msv_env *env, const struct msv_table_options *options, const char *text,
    size_t n, struct msv_senders **out);
void msv_senders_free(struct msv_senders *senders);

struct msv_sender_question {
	struct msv_aliases *aliases;       /* required */
	const struct msv_senders *senders; /* NULL: no such table; must outlive the check */
	const char *account;               /* who logged in */
	const struct msv_smtp_address *from;
};

/* A question that may need accounts looked up.  Zeroed before use. */
struct msv_sender_check {
	const char *ask; /* the account to look up */

	struct msv_env *env;
	char *account;
	struct msv_expansion expansion;
	size_t leaf, asked;
};

/*
 * May the account send as that address?  Yes: the empty sender (notifications);
 * its own address, with a tag too; an address whose mail it gets, alone or among
 * others; what the table gives it.
 *
 * 0: yes; MSV_ERR_DENIED: no (553 5.7.1); MSV_ERR_NOMEM; MSV_ERR_BUSY: look up
 * whether check->ask is an account that receives mail, and tell
 * msv_sender_answer().  At most MSV_SENDER_ASKS_MAX times.  Yes and no append the
 * reason to `why`, one line in words, fit for the reply.
 */
#define MSV_SENDER_ASKS_MAX 100
int msv_sender_check(struct msv_env *env, const struct msv_sender_question *question,
    struct msv_sender_check *check, struct msv_buf *why);
/* Goes on after MSV_ERR_BUSY, with the same results. */
int msv_sender_answer(struct msv_sender_check *check, bool is_account, struct msv_buf *why);
/* Frees what it holds; a zeroed one is fine. */
void msv_sender_check_fini(struct msv_sender_check *check);

#endif
