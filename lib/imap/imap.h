/*
 * The inside of the IMAP server.
 *
 * One command runs at a time.  Its `run` function is its state: it makes the
 * progress that can be made now, sets `run` to what comes next and says so, or
 * waits - for an answer of the store, for room in the output, for input, or
 * for its turn.  step() of the session is the only loop.
 */
#ifndef MSV_IMAP_IMAP_H
#define MSV_IMAP_IMAP_H

#include <mailserv/imap_server.h>

#include "base/conn.h"
#include "codec/arena.h"
#include "codec/matcher.h"
#include "codec/uidset.h"
#include "message/header.h"
#include "message/mime.h"

struct imap_session;

/* -- Bounds ------------------------------------------------------------------ */

enum {
	IMAP_LITERALS_MAX = 1000,       /* in one command */
	IMAP_LITERAL_MINUS = 4096,      /* RFC 7888 5 */
	IMAP_TAG_MAX = 255,             /* a longer tag is no tag */
	IMAP_ROWS = 128,                /* messages whose row is kept at once */
	IMAP_READ = 16384,              /* octets of a message read at once */
	IMAP_TURN = 256 * 1024,         /* work of a step before the loop has a turn */
	IMAP_PATH_MAX = 100,            /* levels of a part number */
	IMAP_FETCH_ITEMS_MAX = 1000,    /* in one FETCH */
	IMAP_SEARCH_KEYS_MAX = 2000,    /* in one SEARCH */
	IMAP_KEYWORDS_MAX = 64,         /* in one STORE or APPEND */
	IMAP_HEADER_BYTES = 512 * 1024, /* kept of a message's header fields */
};

/* -- Commands ---------------------------------------------------------------- */

/* The states of a session (RFC 3501 3); logout is the end of the connection. */
enum imap_state {
	IMAP_NOT_AUTHENTICATED = 1,
	IMAP_AUTHENTICATED = 2,
	IMAP_SELECTED = 4,
};
#define IMAP_LOGGED_IN (IMAP_AUTHENTICATED | IMAP_SELECTED)
#define IMAP_ANY       (IMAP_NOT_AUTHENTICATED | IMAP_LOGGED_IN)

/* What a run function says. */
enum imap_run {
	IMAP_WAIT,  /* nothing can be done now */
	IMAP_AGAIN, /* call cmd.run again: it may be another function */
	IMAP_DONE,  /* the command is over, its tagged answer written */
};
typedef enum imap_run (*imap_run_fn)(struct imap_session *s);

/* What a command is like. */
enum {
	IMAP_CMD_UID = 1,        /* "UID name" is a command too */
	IMAP_CMD_KEEPS_SEQS = 2, /* no EXPUNGE while it runs (RFC 3501 7.4.1), but after UID */
	IMAP_CMD_LOOK = 4,       /* looks for changes of the mailbox in any case */
	IMAP_CMD_NO_SYNC = 8,    /* announces no changes at its end */
	IMAP_CMD_SECRET = 16,    /* its arguments are wiped */
};

struct imap_command_def {
	const char *name;
	unsigned states; /* it is allowed in */
	unsigned flags;  /* IMAP_CMD_* */
	imap_run_fn run; /* reads the arguments and begins */
	/* A literal was announced at the end of what came so far (reader.literal):
	 * takes it as a stream (1), leaves it to the reader (0), or refuses it with
	 * args.error set (-1).  NULL: the reader keeps all literals. */
	int (*literal)(struct imap_session *s);
};

/* The commands, by groups: each file's run functions (cmd_*.c). */
#define IMAP_RUN(name) enum imap_run msv_imap_run_##name(struct imap_session *s)
IMAP_RUN(capability);
IMAP_RUN(noop);
IMAP_RUN(logout);
IMAP_RUN(id);
IMAP_RUN(starttls);
IMAP_RUN(login);
IMAP_RUN(authenticate);
IMAP_RUN(enable);
IMAP_RUN(select);
IMAP_RUN(examine);
IMAP_RUN(close);
IMAP_RUN(unselect);
IMAP_RUN(check);
IMAP_RUN(create);
IMAP_RUN(delete);
IMAP_RUN(rename);
IMAP_RUN(subscribe);
IMAP_RUN(unsubscribe);
IMAP_RUN(list);
IMAP_RUN(lsub);
IMAP_RUN(namespace);
IMAP_RUN(status);
IMAP_RUN(append);
IMAP_RUN(expunge);
IMAP_RUN(search);
IMAP_RUN(fetch);
IMAP_RUN(store);
IMAP_RUN(copy);
IMAP_RUN(move);
IMAP_RUN(idle);
/* The literal function of APPEND: takes the message. */
int msv_imap_append_literal(struct imap_session *s);
/* That of LOGIN: nobody is asked for a password that could be overheard. */
int msv_imap_login_literal(struct imap_session *s);

/* The arguments of a command, from left to right. */
struct imap_args {
	const char *p, *end;
	struct msv_arena *arena; /* for what cannot stay in place */
	const char *error;       /* what is wrong with them, for people */
	const char *code;        /* NULL: BAD; else NO with this response code */
	bool nomem;
};

struct imap_command {
	const struct imap_command_def *def; /* NULL: unknown so far */
	bool identified;                    /* tag and name were looked at */
	bool uid;                           /* it began with UID */
	char tag[IMAP_TAG_MAX + 1];         /* "*" when there is none */
	struct msv_buf text;                /* as it came; literals in place behind "{n}\r\n" */
	size_t resume;                      /* where in text the arguments go on */
	struct imap_args args;
	struct msv_arena arena; /* memory that lives as long as the command */
	imap_run_fn run;        /* NULL: no command runs */
	void *data;             /* the command's own */
	void (*fini)(struct imap_session *s, void *data);
	struct msv_buf reply; /* the tagged answer, written after the changes */
};

/* Zeroed memory for cmd.data, with the function that lets go of what it holds
 * (may be NULL).  NULL: no memory; the connection breaks. */
void *msv_imap_data(
    struct imap_session *s, size_t n, void (*fini)(struct imap_session *s, void *data));

/* -- Reading commands: reader.c ----------------------------------------------- */

struct imap_reader {
	unsigned char brace; /* how much of "{12+}" stands at the end of the line */
	bool quoted, escaped, cr;
	bool sync;         /* the literal announced last waits for "+" */
	bool skipping;     /* the command is dropped; error says why */
	uint64_t literal;  /* octets announced last */
	uint64_t left;     /* octets of a literal still to come */
	unsigned literals; /* so far */
	size_t size;       /* octets so far, but for the last line end */
	size_t scanned;    /* of a line looked for by msv_imap_read_line() */
	const char *error; /* why the command is dropped */
	const char *code;  /* as args.code */
};

enum imap_read {
	IMAP_READ_MORE,    /* more input is needed */
	IMAP_READ_COMMAND, /* cmd.text is whole */
	IMAP_READ_STREAM,  /* a literal begins that def->literal() took */
	IMAP_READ_FAILED,  /* cmd.args.error says why */
	IMAP_READ_FATAL,   /* the same, and where the next command begins is not known */
};
/* Takes input up to the end of the command or the next streamed literal. */
enum imap_read msv_imap_read(struct imap_session *s);
/* Begins a new command. */
void msv_imap_reader_reset(struct imap_session *s);
/* The next raw line of input (a SASL response, DONE), without its line end, stays
 * in conn.in: consume *used bytes of it.  1, 0 when more is needed,
 * MSV_ERR_LIMIT when it is too long. */
int msv_imap_read_line(struct imap_session *s, struct msv_span *line, size_t *used);
/* Finds tag and command in what was read.  False: cmd.args.error says why it is
 * none, or none in this state. */
bool msv_imap_identify(struct imap_session *s);
/* Points args at what follows cmd.resume of the text, which may have moved. */
void msv_imap_aim(struct imap_session *s);

/* -- Arguments: args.c, set.c, name.c, flags.c ---------------------------------- */

/* Each takes what it is named for and moves on; false with error set when it is
 * not there.  Spans point into cmd.text or the command's arena. */
bool msv_imap_arg_space(struct imap_args *a);
bool msv_imap_arg_end(struct imap_args *a);
/* This very character. */
bool msv_imap_arg_char(struct imap_args *a, char c);
/* True, and taken, when this character comes next; never an error. */
bool msv_imap_arg_if(struct imap_args *a, char c);
/* True when the argument is over: end of the command. */
bool msv_imap_arg_at_end(const struct imap_args *a);
char msv_imap_arg_peek(const struct imap_args *a); /* '\0' at the end */
bool msv_imap_arg_tag(struct imap_args *a, struct msv_span *out);
bool msv_imap_arg_atom(struct imap_args *a, struct msv_span *out);
bool msv_imap_arg_string(struct imap_args *a, struct msv_span *out);  /* quoted or literal */
bool msv_imap_arg_astring(struct imap_args *a, struct msv_span *out); /* or an atom, with ] */
bool msv_imap_arg_nstring(struct imap_args *a, struct msv_span *out); /* NIL: p is NULL */
/* list-mailbox: an astring that may hold % and * (RFC 3501 9). */
bool msv_imap_arg_list_mailbox(struct imap_args *a, struct msv_span *out);
bool msv_imap_arg_number(struct imap_args *a, uint64_t max, uint64_t *out);
/* A flag or keyword name. */
bool msv_imap_arg_flag(struct imap_args *a, struct msv_span *out);
/* Says what is wrong; always false. */
bool msv_imap_arg_fail(struct imap_args *a, const char *error);
bool msv_imap_arg_nomem(struct imap_args *a);
/* True when the span is the word, in any case. */
bool msv_imap_is(struct msv_span span, const char *word);

/* A set of messages of the view: ranges of sequence numbers. */
struct imap_set {
	struct msv_uid_range *r;
	size_t n;
};
/* A sequence-set (RFC 3501 9), by UIDs or sequence numbers.  UIDs that are not
 * there are left out; a sequence number that is not is an error. */
bool msv_imap_arg_set(struct imap_session *s, bool uid, struct imap_set *out);
/* True when the argument looks like a sequence-set. */
bool msv_imap_arg_is_set(const struct imap_args *a);
bool msv_imap_set_has(const struct imap_set *set, uint32_t seq);
/* Walks a set: the numbers in rising order, then 0. */
struct imap_walk {
	const struct imap_set *set;
	size_t range;
	uint32_t next; /* 0: the range's first */
};
uint32_t msv_imap_walk_peek(const struct imap_walk *walk);
void msv_imap_walk_step(struct imap_walk *walk);
/* The UIDs of a set's messages in the arena of the command: ranges that hold no
 * other message of the view.  MSV_ERR_NOMEM. */
int msv_imap_set_uids(struct imap_session *s, const struct imap_set *set, struct msv_uidset *out);

/* A mailbox name: from modified UTF-7 to UTF-8, INBOX in capitals, in the arena
 * of the command; checked with msv_mailbox_name_valid(). */
bool msv_imap_arg_mailbox(struct imap_session *s, const char **out);
/* The same for CREATE: one separator at the end is dropped. */
bool msv_imap_arg_new_mailbox(struct imap_session *s, const char **out);
/* Decodes a name or pattern only. */
bool msv_imap_decode_name(struct imap_session *s, struct msv_span wire, struct msv_span *out);
/* Writes a name as an astring in modified UTF-7. */
void msv_imap_put_mailbox(struct msv_buf *out, const char *name);

/* Flags a client named. */
struct imap_flags {
	uint32_t flags; /* MSV_FLAG_* */
	const char *keywords[IMAP_KEYWORDS_MAX];
	size_t nkeywords;
};
/* A parenthesised list; or, when `bare` may be, flags up to the end. */
bool msv_imap_arg_flags(struct imap_session *s, bool bare, struct imap_flags *out);
/* Writes "(\Seen $Junk)" of a message of the view. */
void msv_imap_put_flags(struct imap_session *s, uint32_t flags, uint64_t keywords);
/* Writes the untagged FLAGS and PERMANENTFLAGS of the selected mailbox. */
void msv_imap_put_mailbox_flags(struct imap_session *s);
/* The bits of a keyword in the selected mailbox; 0 when it has none such. */
uint64_t msv_imap_keyword_bit(struct imap_session *s, struct msv_span name);
/* The keyword that stands for MSV_FLAG_PASSED. */
extern const char msv_imap_passed[];
bool msv_imap_is_passed(struct msv_span name);

/* -- Answers: respond.c, capability.c ------------------------------------------- */

/* Untagged: "* " text CRLF. */
void msv_imap_untagged(struct imap_session *s, const char *fmt, ...) MSV_PRINTF(2, 3);
/* The tagged answer of the command; it is sent after the changes of the mailbox.
 * fmt NULL: "NAME completed".  To be returned by a run function. */
enum imap_run msv_imap_ok(struct imap_session *s, const char *fmt, ...) MSV_PRINTF(2, 3);
enum imap_run msv_imap_no(struct imap_session *s, const char *fmt, ...) MSV_PRINTF(2, 3);
enum imap_run msv_imap_bad(struct imap_session *s, const char *fmt, ...) MSV_PRINTF(2, 3);
/* BAD (or NO) for what cmd.args.error says. */
enum imap_run msv_imap_bad_args(struct imap_session *s);
/* NO for an error of the store, with a response code (RFC 5530).  trycreate: a
 * missing mailbox is one the client may create (RFC 3501 6.3.11). */
enum imap_run msv_imap_no_error(struct imap_session *s, int error, bool trycreate);
/* "* BYE text" unless a response is half written, and the end. */
void msv_imap_bye(struct imap_session *s, const char *text);
/* Sends "+ text". */
void msv_imap_go_on(struct imap_session *s, const char *text);
/* An atom, a quoted string or a literal, whichever holds the text. */
void msv_imap_put_astring(struct msv_buf *out, const char *p, size_t n);
void msv_imap_put_quoted(struct msv_buf *out, const char *p, size_t n);

/* Appends "CAPABILITY IMAP4rev1 ..." as it is now. */
void msv_imap_put_capability(struct imap_session *s, struct msv_buf *out);
/* Turns an extension on; false when there is none of that name to turn on. */
bool msv_imap_enable(struct imap_session *s, struct msv_span name);
/* True when credentials may be sent: TLS, or the config says so. */
bool msv_imap_private(const struct imap_session *s);
/* True when the config does not hide the capability. */
bool msv_imap_offers(const struct imap_session *s, const char *name);

/* -- The log: log.c -------------------------------------------------------------- */

/* One line; reason may be NULL. */
void msv_imap_log(struct imap_session *s, const char *event, const char *reason);
/* The login under way as `user` (NULL: it did not come to a name) failed. */
void msv_imap_log_refused_login(struct imap_session *s, const char *user, const char *reason);
/* A message was appended; uid 0: unknown. */
void msv_imap_log_append(
    struct imap_session *s, const char *mailbox, uint32_t uid, uint64_t octets);
/* The last line of a session. */
void msv_imap_log_end(struct imap_session *s);

/* -- Asking and taking turns: session.c ------------------------------------------ */

/* What an answer does: keeps what it needs of result and sets cmd.run. */
typedef void (*imap_answer_fn)(struct imap_session *s, int error, const void *result);

/* An op to give to the store; the step waits for its answer.  NULL: no memory,
 * and the connection breaks.  One at a time. */
struct msv_op *msv_imap_ask(struct imap_session *s, imap_answer_fn answered);
/* The same with rows.  row returns MSV_PAUSE when there is no room; it is resumed
 * when there is. */
struct msv_op *msv_imap_ask_rows(struct imap_session *s, imap_answer_fn answered,
    int (*row)(struct imap_session *s, const void *row));
/* No memory: the connection breaks. */
enum imap_run msv_imap_nomem(struct imap_session *s);
/* True when output may be produced. */
bool msv_imap_room(const struct imap_session *s);
/* Counts work done; true when the turn is over: the run function waits. */
bool msv_imap_turn_over(struct imap_session *s, size_t work);
/* IDLE begins or ends: signs of life are sent meanwhile. */
void msv_imap_set_idling(struct imap_session *s, bool idling);
/* Logged in as the account (copied): the state changes.  0 or MSV_ERR_NOMEM. */
int msv_imap_log_in(struct imap_session *s, const struct msv_account *account);

/* -- The view of the selected mailbox: view.c, sync.c ------------------------------ */

/* A message as the client knows it. */
struct imap_message {
	uint32_t uid;
	uint32_t flags; /* MSV_FLAG_*, IMAP_CHANGED, IMAP_GONE */
	uint64_t keywords;
	uint64_t modseq;
};
enum {
	IMAP_CHANGED = 1 << 29, /* the client does not know its flags yet */
	IMAP_GONE = 1 << 30,    /* expunged, and the client does not know yet */
};
/* The bits that are the message's own. */
#define IMAP_FLAGS ((uint32_t)IMAP_CHANGED - 1)

struct imap_view {
	struct msv_mailbox *mailbox; /* NULL: none is selected */
	char *name;
	bool readonly, can_create_keywords;
	uint32_t permanent_flags;
	uint32_t uidvalidity, uidnext;
	/* By rising UID.  The sequence number of m[i] is i + 1 for i < exists; those
	 * behind are not announced yet. */
	struct imap_message *m;
	size_t n, cap;
	uint32_t exists, recent;       /* as announced */
	uint32_t recent_now;           /* messages in m that are \\Recent */
	size_t changed, gone;          /* how many are marked so */
	uint64_t keywords;             /* those named in the last FLAGS response */
	uint64_t modseq;               /* changes up to here are in m */
	bool look;                     /* something may have changed */
	bool stale;                    /* the mailbox is no more */
	struct msv_store_watch *watch; /* NULL: the store cannot; look each time */
};

/* Selects what was opened: an empty view.  Takes over result->mailbox. */
int msv_imap_view_open(
    struct imap_session *s, const struct msv_open_result *result, const char *name);
/* Nothing is selected any more; the state is IMAP_AUTHENTICATED. */
void msv_imap_view_close(struct imap_session *s);
/* The index of the first message with that UID or a higher one (n: none). */
size_t msv_imap_view_lower(const struct imap_view *view, uint32_t uid);
/* The message with that UID, or NULL. */
struct imap_message *msv_imap_view_find(const struct imap_view *view, uint32_t uid);
/* The announced message with that sequence number. */
struct imap_message *msv_imap_view_at(const struct imap_view *view, uint32_t seq);
/* The highest announced UID, 0 when there is none. */
uint32_t msv_imap_view_last_uid(const struct imap_view *view);
/* Takes a message's state: a new one, or changes, which are marked. */
int msv_imap_view_take(struct imap_session *s, const struct msv_message *message);
/* Marks what is gone. */
void msv_imap_view_expunge(struct imap_view *view, const struct msv_uid_range *range);
void msv_imap_view_mark(struct imap_view *view, struct imap_message *m, uint32_t mark);
void msv_imap_view_unmark(struct imap_view *view, struct imap_message *m, uint32_t mark);

/* How far announcing changes came.  All zero: there is nothing to announce. */
struct imap_sync {
	unsigned char stage;
	bool expunge;     /* EXPUNGE may be sent */
	size_t i, kept;   /* m[kept..i) is void while messages are taken out */
	size_t announced; /* messages the client knew of before */
	int error;        /* of the last pull */
};
/* Asks the store for changes since the last time and takes them into the view.
 * cmd.run goes on afterwards; sync.error tells how it went. */
enum imap_run msv_imap_pull(struct imap_session *s);
/* Begins announcing; with look the store is asked in any case, else when it said
 * that something may have changed. */
void msv_imap_sync_start(struct imap_session *s, bool look, bool expunge);
/* Goes on announcing: IMAP_DONE when all is said, else IMAP_WAIT. */
enum imap_run msv_imap_sync(struct imap_session *s);
/* Writes "* n FETCH (FLAGS (...))", with the UID when asked; clears the mark. */
void msv_imap_put_fetch_flags(struct imap_session *s, struct imap_message *m, bool uid);

/* -- Lists of mailboxes: listing.c, pattern.c ---------------------------------------- */

/* A mailbox, or a name that only others are beneath. */
struct imap_listed {
	const char *name;
	uint32_t special_use;
	char separator; /* for sorting */
	bool is_inbox;  /* INBOX, or beneath it */
	bool implied;   /* there is no such mailbox: a parent of others */
	bool selectable, no_inferiors;
	bool has_children;
};
/* Some mailboxes in the order of a tree, parents first. */
struct imap_listing {
	struct imap_session *s;
	struct msv_arena arena;
	struct imap_listed *v;
	size_t n, cap;
};
void msv_imap_listing_init(struct imap_listing *l, struct imap_session *s);
void msv_imap_listing_fini(struct imap_listing *l);
/* Adds a mailbox.  MSV_ERR_NOMEM. */
int msv_imap_listing_add(struct imap_listing *l, const struct msv_list_entry *entry);
/* All are there: sorts, adds the parents that are missing, finds who has children.
 * MSV_ERR_NOMEM. */
int msv_imap_listing_finish(struct imap_listing *l);
/* The special use of that name, 0 when there is none; and the name of one. */
uint32_t msv_imap_special_use(struct msv_span name);
void msv_imap_put_special_uses(struct msv_buf *out, uint32_t uses);

/* A LIST pattern (RFC 3501 6.3.8): "*" is any text, "%" any text without the
 * separator.  Matching takes O(pattern x name), whatever they hold. */
struct imap_pattern {
	char *p; /* runs of wildcards made one */
	size_t n;
	char separator;
	unsigned char *states; /* n + 1: matching's memory */
};
/* In the arena of the command.  MSV_ERR_NOMEM. */
int msv_imap_pattern_init(
    struct imap_session *s, struct imap_pattern *pattern, const char *p, size_t n);
bool msv_imap_pattern_match(struct imap_pattern *pattern, const char *name);

/* -- Rows of messages: rows.c ------------------------------------------------------- */

/* What the view does not keep of a message. */
struct imap_row {
	uint32_t uid;
	uint64_t octets;
	int64_t internal_date;
};
struct imap_rows {
	unsigned fields; /* wanted: MSV_FIELD_* */
	struct imap_row v[IMAP_ROWS];
	size_t n;
	uint32_t upto; /* sequence number up to which they were asked for */
	int error;
};
/* The row of the message that the walk is at, and of those that follow, asked
 * for together.  1: *out points to it (NULL: it is gone); 0: asked, wait;
 * negative: an error of the store. */
int msv_imap_rows_get(struct imap_session *s, struct imap_rows *rows, const struct imap_walk *walk,
    const struct imap_row **out);

/* -- A message's content: content.c --------------------------------------------------- */

/* The message looked into last: pinned, and its structure parsed once. */
struct imap_content {
	uint32_t uid; /* 0: none */
	struct msv_open_message *message;
	uint64_t octets;
	struct msv_mime *mime;
	bool whole; /* mime holds all parts, not the header alone */
	struct msv_mime_parser *parser;
	bool parsing_whole;
	uint64_t pos;       /* parsed so far */
	unsigned char line; /* where the end of the header is looked for */
	bool header_over;
	int error;
};
/* Each: 1 when it is there, 0 when it was asked for (wait), negative when it
 * cannot be had (MSV_ERR_NOTFOUND: expunged). */
int msv_imap_content_open(struct imap_session *s, uint32_t uid);
int msv_imap_content_header(struct imap_session *s); /* mime->root's header and envelope */
int msv_imap_content_tree(struct imap_session *s);
/* Asks for up to n octets at offset; the answer is a struct msv_span. */
void msv_imap_content_read(
    struct imap_session *s, uint64_t offset, size_t n, imap_answer_fn answered);
void msv_imap_content_close(struct imap_session *s);

/* -- FETCH: cmd_fetch.c, fetch_items.c, section.c, section_out.c ------------------------ */

enum imap_section_part {
	IMAP_SECTION_ALL,
	IMAP_SECTION_HEADER,
	IMAP_SECTION_FIELDS,
	IMAP_SECTION_FIELDS_NOT,
	IMAP_SECTION_TEXT,
	IMAP_SECTION_MIME,
	/* Of fetch items: it stands in the command; there is none. */
	IMAP_SECTION_GIVEN,
	IMAP_SECTION_NONE,
};

/* BODY[section]<first.count> */
struct imap_section {
	enum imap_section_part part;
	uint32_t *path; /* the part number */
	size_t npath;
	struct msv_span *names;  /* of header fields, as the client wrote them */
	struct msv_span *sorted; /* the same, for msv_header_filter_init() */
	size_t nnames;
	bool partial;
	uint64_t first, count;
};
/* Reads what stands between "[" and the end of the item. */
bool msv_imap_arg_section(struct imap_session *s, struct imap_section *out);
/* Writes "[section]<first>". */
void msv_imap_put_section(struct msv_buf *out, const struct imap_section *section);
/* What must be known of a message before the section can be written: IMAP_NEEDS_*. */
unsigned msv_imap_section_needs(const struct imap_section *section);

/* A section on its way out; part of the command's data. */
struct imap_section_out {
	const struct imap_section *section;
	unsigned char stage;
	int error;
	uint64_t pos, end;     /* of the message: to be read */
	uint64_t size;         /* of the section */
	uint64_t skip, left;   /* octets not to write, then to write */
	struct msv_buf fields; /* header fields picked out: all, unless they spilled */
	size_t counted;        /* octets of `fields` that are in size */
	bool spilled, filter_ended;
	struct msv_header_filter filter;
};
void msv_imap_section_start(
    struct imap_session *s, struct imap_section_out *out, const struct imap_section *section);
/* Writes the value: 1 done, 0 wait, negative: the connection must end. */
int msv_imap_section_write(struct imap_session *s, struct imap_section_out *out);
void msv_imap_section_fini(struct imap_section_out *out);

struct imap_fetch;
struct imap_fetch_item;

/* What must be there before an item can be written. */
enum {
	IMAP_NEEDS_OCTETS = MSV_FIELD_OCTETS,
	IMAP_NEEDS_DATES = MSV_FIELD_DATES,
	IMAP_NEEDS_ROW = MSV_FIELD_OCTETS | MSV_FIELD_DATES | MSV_FIELD_IDS,
	IMAP_NEEDS_CONTENT = 1 << 16,
	IMAP_NEEDS_HEADER = 1 << 17,
	IMAP_NEEDS_TREE = 1 << 18,
	IMAP_SETS_SEEN = 1 << 19,
	IMAP_SHOWS_FLAGS = 1 << 20, /* no need: the response has FLAGS */
};

struct imap_fetch_def {
	const char *name;
	unsigned needs;
	/* Writes name and value: 1 done, 0 wait and be called again, negative: the
	 * connection must end. */
	int (*write)(
	    struct imap_session *s, struct imap_fetch *f, const struct imap_fetch_item *item);
	enum imap_section_part part;
};

struct imap_fetch_item {
	const struct imap_fetch_def *def;
	struct imap_section section;
};

/* A FETCH under way. */
struct imap_fetch {
	struct imap_fetch_item *items;
	size_t nitems, cap;
	unsigned needs; /* of all items */
	struct imap_set set;
	struct imap_walk walk;
	struct imap_rows rows;

	/* Of the message that is at hand: */
	uint32_t seq, uid;
	const struct imap_row *row;
	size_t item;   /* the one being written */
	bool began;    /* ... and it has */
	bool seen_now; /* \Seen was set by this FETCH */
	struct imap_section_out out;

	bool missing; /* a message was gone */
	int error;    /* a message could not be read */
};
/* The items of a FETCH: a macro, one item, or a list of them. */
bool msv_imap_arg_fetch_items(struct imap_session *s, struct imap_fetch *f);
/* Adds an item by its name without a section, unless it is there. */
bool msv_imap_fetch_add(struct imap_session *s, struct imap_fetch *f, const char *name);

/* -- SEARCH: cmd_search.c, search_parse.c, search_keys.c, search_text.c ------------------ */

/* What is known of a key for the message at hand. */
enum imap_truth { IMAP_FALSE, IMAP_TRUE, IMAP_UNKNOWN };

struct imap_search;
struct imap_search_key;

/* What must have been read for a key to be known. */
enum imap_search_depth { IMAP_SEARCH_VIEW, IMAP_SEARCH_ROW, IMAP_SEARCH_HEADER, IMAP_SEARCH_BODY };

enum { IMAP_SEARCH_ANY_FIELD = 1 };

struct imap_search_def {
	const char *name;
	/* Reads the arguments behind the name; NULL: there are none. */
	bool (*take)(struct imap_session *s, struct imap_search *q, struct imap_search_key *key);
	enum imap_search_depth depth;
	/* Of the message at hand; NULL for keys that are found while reading. */
	bool (*test)(const struct imap_search *q, const struct imap_search_key *key);
	/* For take and test: a flag (IMAP_SEARCH_ANY_FIELD: the text may be in the
	 * message's own header too); the sign of a comparison; a header field. */
	uint32_t flag;
	int sign;
	const char *field;
	unsigned row; /* MSV_FIELD_* it needs */
};

/* A search program is in postfix order: a key, or an AND or OR of the results of
 * those before it.  NOT is a mark on either. */
struct imap_search_key {
	const struct imap_search_def *def; /* NULL: an AND or OR */
	bool negated;
	bool or ; /* of two; else an AND of `count` */
	uint32_t count;

	struct imap_set set;
	uint64_t number; /* octets, or a keyword's bit */
	bool passed;     /* the keyword is MSV_FLAG_PASSED */
	int64_t day;
	struct msv_span field;       /* p NULL: any text */
	struct msv_matcher *matcher; /* of the text looked for */
	bool found;                  /* in the message at hand */
};

struct imap_search {
	struct imap_session *s;
	struct imap_search_key *keys;
	size_t n, cap;
	unsigned char *truths; /* as many as keys: evaluating's memory */
	enum imap_search_depth depth;
	const char *charset; /* of the strings */

	/* RETURN (RFC 4731) */
	bool extended, min, max, all, count;

	/* The message at hand: */
	struct msv_uid_range all_messages;
	struct imap_set everything;
	struct imap_walk walk;
	struct imap_rows rows;
	uint32_t seq;
	const struct imap_message *message;
	const struct imap_row *row;
	enum imap_search_depth known;
	bool has_date;
	int64_t date; /* the day of its Date: field */

	/* What is being read of it: */
	unsigned char stage;
	const struct msv_part *part;
	uint64_t pos, end;
	bool header_open;
	struct msv_header_reader header;
	struct msv_part_reader *body;
	struct msv_buf text; /* a decoded field */
	int error;

	/* Results: */
	uint32_t first, last; /* a range of ALL that is not written yet; 0 none */
	bool any_range;       /* one was written */
	uint32_t lowest, highest;
	uint32_t found;
	int failed; /* a message could not be read */
};
/* Reads the keys up to the end of the command into the program. */
bool msv_imap_search_parse(struct imap_session *s, struct imap_search *q);
/* The key of that name, or NULL; that of a sequence-set. */
const struct imap_search_def *msv_imap_search_def(struct msv_span name);
extern const struct imap_search_def msv_imap_search_set;
/* Does the message at hand match, as far as it was read? */
enum imap_truth msv_imap_search_eval(struct imap_search *q);
/* Looks into the header, and into the body, of the message at hand: 1 through, 0
 * wait, negative: it cannot be read. */
int msv_imap_search_header(struct imap_search *q);
int msv_imap_search_body(struct imap_search *q);
/* Begins with another message. */
void msv_imap_search_begin(struct imap_search *q);
void msv_imap_search_fini(struct imap_search *q);

/* -- The session ------------------------------------------------------------------------- */

struct imap_session {
	struct msv_conn conn;
	struct msv_imap_config config; /* defaults filled in */
	const struct msv_store *store;
	enum imap_state state;
	struct imap_reader reader;
	struct imap_command cmd;

	struct msv_op *op; /* the question under way */
	imap_answer_fn answered;
	int (*row)(struct imap_session *s, const void *row);
	bool paused; /* its rows wait for room */

	struct msv_account *account; /* who logged in; NULL: nobody */
	struct msv_actor actor;
	struct msv_sasl *sasl;

	struct imap_view view;
	struct imap_sync sync;
	struct imap_content content;
	struct imap_rows *rows; /* being filled */

	uint32_t errors, auth_failures;
	size_t work;           /* done in this turn */
	uint64_t logout_at;    /* monotonic ms: autologout */
	uint64_t keepalive_at; /* while idling: the next sign of life */
	bool greeted;
	bool idling;
	bool partial; /* a response is half written: nothing else may be */
};

#endif
