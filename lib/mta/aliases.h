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
	/* LOCAL: the account's name; REMOTE: normalized quoting; ERROR: the name it
	 * happened to, for the log. */
	const char *address;
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
 * A name that comes back to itself means the account of that name ("anna: anna,
 * anna@else.org" keeps a copy).  Two ways to one leaf make one leaf.
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
 * 6 + 3 * domains calls for one leaf.  0, or MSV_ERR_NOMEM: x is good for
 * msv_expansion_fini() only.
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

/* -- Small tables (alias_table.c) ---------------------------------------------------------- */

/* One row: what is looked for, and what it gives. */
struct msv_table_row {
	const char *key, *value;
	size_t order;
};
struct msv_table {
	struct msv_arena arena;
	struct msv_table_row *rows;
	size_t n, cap;
	bool sorted;
};

/* -- Masquerading (masquerade.c) -------------------------------------------------------------- */

/*
 * Addresses and what stands for them outside:
 *
 *	root@host.example.org   admin@example.org     one address
 *	@host.example.org       @example.org          a domain; the local part stays
 *	@.example.org           @example.org          every domain below it
 *
 * An address goes before a domain, a domain before the longest domain above it;
 * what came out is not looked up again.
 */
struct msv_masquerade {
	struct msv_env *env;
	struct msv_table table;
};
void msv_masquerade_init(struct msv_masquerade *m, struct msv_env *env);
void msv_masquerade_fini(struct msv_masquerade *m);
/* Adds a pair.  0, MSV_ERR_NOMEM; MSV_ERR_FORMAT: *mistake (static) says what is
 * wrong and what to do. */
int msv_masquerade_add(
    struct msv_masquerade *m, const char *from, const char *to, const char **mistake);
/* An address of the envelope.  1: *out is the other one, 0: it stays; MSV_ERR_NOMEM. */
int msv_masquerade_address(
    struct msv_masquerade *m, const struct msv_smtp_address *address, struct msv_smtp_mailbox *out);
/*
 * A whole header section (with its empty line or without; LF or CRLF): From,
 * Sender, Reply-To and their Resent- sisters with other addresses, every other
 * octet as it was.  1: appended to out; 0: nothing changes and nothing was
 * appended - always so with a DKIM-Signature, which would be broken.
 * MSV_ERR_NOMEM.
 */
int msv_masquerade_header(struct msv_masquerade *m, const char *p, size_t n, struct msv_buf *out);

/* -- Who may send as whom (sender.c) ------------------------------------------------------------ */

/* Accounts and what they may send as: an address, "@domain" or "*".  Several pairs
 * of one account add up, and "*" as the account means everybody. */
struct msv_senders {
	struct msv_env *env;
	struct msv_table table;
};
void msv_senders_init(struct msv_senders *senders, struct msv_env *env);
void msv_senders_fini(struct msv_senders *senders);
/* Adds a pair; as msv_masquerade_add(). */
int msv_senders_add(
    struct msv_senders *senders, const char *account, const char *as, const char **mistake);

struct msv_sender_question {
	struct msv_aliases *aliases; /* required */
	struct msv_senders *senders; /* NULL: no such table */
	const char *account;         /* who logged in */
	const struct msv_smtp_address *from;
};

/* A question that may need accounts looked up.  Zeroed before use. */
struct msv_sender_check {
	const char *ask; /* the account to look up */

	struct msv_env *env;
	char *account, *account_key, *from;
	char *tagged; /* the account's own address with a tag */
	struct msv_expansion expansion;
	size_t leaf, asked;
};

/*
 * May the account send as that address?  Yes: the empty sender (notifications);
 * its own address, with a tag too (a bare account: its name in a domain of ours that
 * is no account); an address whose mail it gets, alone or among
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

/* -- Inside: tables (alias_table.c) ---------------------------------------------------------------------- */

void msv_table_init(struct msv_table *table, struct msv_env *env);
void msv_table_fini(struct msv_table *table);
/* Copies a row.  0 or MSV_ERR_NOMEM. */
int msv_table_add(struct msv_table *table, const char *key, const char *value);
/* The first of the rows with that key, in the order they came; *n gets how many
 * there are. */
const struct msv_table_row *msv_table_find(struct msv_table *table, const char *key, size_t *n);

/* -- Inside: lines and items of these files (alias_lines.c) -------------------------------------- */

/* Logical lines: blank ones and comments are gone, continued ones are joined by the
 * "\n" they had (and one for each line between that is gone, to count by). */
struct msv_alias_lines {
	struct msv_span rest;
	bool flat;     /* every line stands for itself */
	unsigned next; /* the number of the line at `rest` */
	struct msv_buf joined;
	struct msv_span text; /* the current one, */
	unsigned line;        /* and where it begins */
};
void msv_alias_lines_init(
    struct msv_alias_lines *lines, struct msv_env *env, const char *p, size_t n, bool flat);
void msv_alias_lines_fini(struct msv_alias_lines *lines);
/* 1: there is one; 0: no more; MSV_ERR_NOMEM. */
int msv_alias_lines_next(struct msv_alias_lines *lines);

/* A piece of a logical line, without blanks around it. */
struct msv_alias_item {
	struct msv_span raw; /* with its quotes */
	unsigned line;
	const char *mistake; /* what is wrong already; NULL: nothing */
};
/* Takes the name in front of the colon. */
void msv_alias_key(struct msv_alias_lines *lines, struct msv_alias_item *out);
/* Takes the next of the items between commas; false: no more. */
bool msv_alias_item(struct msv_alias_lines *lines, struct msv_alias_item *out);
/* When all of raw stands in quotes appends what is inside, backslashes undone, to out
 * (and finds no memory by msv_buf_failed()); else false. */
bool msv_alias_unquote(struct msv_span raw, struct msv_buf *out);
/* Reads raw as an address or as a bare name (domain "" then, and address without
 * "@").  0 or MSV_ERR_FORMAT. */
int msv_alias_mailbox(struct msv_span raw, struct msv_smtp_mailbox *out);
/* Writes a mailbox from its parts, quoted where it must be.  0, MSV_ERR_FORMAT (a
 * part cannot be one), MSV_ERR_LIMIT (too long). */
int msv_alias_compose(const char *local, const char *domain, struct msv_smtp_mailbox *out);
/* Appends what an address is compared by: local part and domain folded, "@" between
 * them also when one is empty.  0 or MSV_ERR_NOMEM. */
int msv_alias_fold(const char *local, const char *domain, struct msv_buf *out);

/* Mistakes, kept until it is clear that they are to be told. */
struct msv_alias_reports {
	struct msv_buf lines; /* a level digit, text and a NUL each */
	size_t count;
};
/* Notes "file:line: text". */
void msv_alias_report(struct msv_alias_reports *reports, enum msv_log_level level, const char *file,
    unsigned line, const char *fmt, ...) MSV_PRINTF(5, 6);
/* Tells them and frees their memory. */
void msv_alias_reports_tell(
    struct msv_alias_reports *reports, msv_alias_report_fn report, void *user);

/* -- Inside: targets (alias_target.c, alias_program.c) ------------------------------------------- */

enum msv_target_kind {
	MSV_TARGET_NAME,    /* text: the local part */
	MSV_TARGET_ADDRESS, /* text: the address; its domain is behind the last "@" */
	MSV_TARGET_DOMAIN,  /* text: the domain; the local part stays */
	MSV_TARGET_PROGRAM, /* words */
	MSV_TARGET_DISCARD,
	MSV_TARGET_ERROR,   /* code, local: the enhanced code, text */
	MSV_TARGET_INCLUDE, /* text: the path; only while a file is read */
};

struct msv_alias_target {
	enum msv_target_kind kind;
	uint16_t code;
	bool account;      /* "\name": not looked for among the aliases */
	const char *text;  /* PROGRAM: as it is shown */
	const char *local; /* NAME, ADDRESS: without quotes */
	const char *const *words;
};
/* Reads an item into memory of the arena.  0; MSV_ERR_FORMAT: *mistake says what is
 * wrong and what to do; MSV_ERR_NOMEM. */
int msv_alias_target(struct msv_arena *arena, struct msv_span raw, struct msv_alias_target *out,
    const char **mistake);
/* The words of a program, ended by NULL; results as above. */
int msv_alias_words(
    struct msv_arena *arena, struct msv_span text, const char *const **out, const char **mistake);

/* -- Inside: the table (aliases.c) ---------------------------------------------------------------- */

struct msv_alias {
	const char *key;  /* msv_alias_fold() of its name; domain "" for bare names */
	const char *name; /* as it is shown */
	uint32_t line;
	uint32_t first, ntargets; /* in the table's targets */
};

struct msv_alias_domain {
	const char *ascii, *name;
};

struct msv_aliases {
	struct msv_env *env;
	size_t refs;
	struct msv_arena arena;
	const char *file;
	struct msv_alias *aliases; /* sorted by key */
	size_t naliases, aliases_cap;
	struct msv_alias_target *targets;
	size_t ntargets, targets_cap;
	const char **domains; /* as the options have them, lower case */
	size_t ndomains;
	struct msv_alias_domain *sorted; /* by their ASCII form */
	const char *postmaster;
	char tag_separator;
};
/* The alias of that folded name, or NULL. */
const struct msv_alias *msv_aliases_find(const struct msv_aliases *aliases, const char *key);
/* Appends what the name in front of a colon is found by: "@" and "@domain" too.  0,
 * MSV_ERR_FORMAT, MSV_ERR_NOMEM (alias_load.c). */
int msv_alias_key_fold(struct msv_span raw, struct msv_buf *out);
/* Reads the file into the table (alias_load.c). */
int msv_aliases_load(struct msv_aliases *aliases, const struct msv_aliases_options *options,
    const char *text, size_t n);

/* -- Inside: expansion (alias_expand.c, alias_leaf.c) --------------------------------------------- */

/* An alias that was opened; its parents are those it was reached by. */
struct msv_alias_node {
	struct msv_alias_node *parent;
	const struct msv_alias *alias;
	size_t next, programs; /* targets and programs passed */
	const char *domain;    /* bare names are of this one, */
	const char *local;     /* and this one stays when a domain leads to another */
	const char *sender;
	bool several;
	unsigned depth;
};

struct msv_leaf_state {
	struct msv_alias_node *node; /* NULL: no alias was on the way */
	const char *local, *domain;  /* the address before anything was tried */
	const char *now;             /* the domain tried now */
	size_t next_domain, next_postmaster;
	bool bare;      /* from an alias without a domain */
	bool account;   /* no catch-all */
	bool loop;      /* a name that came back to itself */
	bool tried_tag; /* in the domain tried now */
	bool tried_role;
};

struct msv_expansion_state {
	struct msv_env *env;
	struct msv_aliases *aliases;
	struct msv_arena arena;
	msv_expand_step_fn step;
	void *user;
	struct msv_alias_node *current; /* whose targets are taken next */
	size_t leaves_cap, gone;
	bool full;
	const char **seen; /* a set: open addressing */
	size_t nseen, seen_cap;
	uint64_t seed;
};

/* A name of ours, wherever it stands: opens its alias or adds a LOCAL leaf.
 * 0 or MSV_ERR_NOMEM. */
int msv_expand_name(struct msv_expansion *x, struct msv_alias_node *node, const char *local,
    const char *domain, bool bare, bool account);
/* Opens an alias for local@domain: its targets are taken by msv_expand_run(). */
int msv_expand_open(struct msv_expansion *x, struct msv_alias_node *parent,
    const struct msv_alias *alias, const char *local, const char *domain);
/* Takes targets until all that are open are taken. */
int msv_expand_run(struct msv_expansion *x);
/* True when the alias is the node's or that of a node above. */
bool msv_expand_above(const struct msv_alias_node *node, const struct msv_alias *alias);
/* Tells a step. */
void msv_expand_step(struct msv_expansion *x, const char *fmt, ...) MSV_PRINTF(2, 3);
/* 1: the text was not seen before under that letter; 0: it was; MSV_ERR_NOMEM. */
int msv_expand_first(struct msv_expansion *x, char letter, const char *text);
/* Adds leaves; 0 or MSV_ERR_NOMEM. */
int msv_expand_add(
    struct msv_expansion *x, const struct msv_alias_node *node, const struct msv_leaf *leaf);
int msv_expand_add_local(struct msv_expansion *x, const struct msv_leaf_state *state);
int msv_expand_add_error(struct msv_expansion *x, const struct msv_alias_node *node, int code,
    const char *enhanced, const char *text);

#endif
