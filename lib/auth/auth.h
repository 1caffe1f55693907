/* The inside of lib/auth. */
#ifndef MSV_AUTH_AUTH_H
#define MSV_AUTH_AUTH_H

#include <mailserv/auth.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/op.h"
#include "codec/crypto.h"

/* -- Accounts and questions (account.c) -------------------------------------- */

#define MSV_ACCOUNT_NAME_MAX 255

/* Two names of one account: letters A-Z count as a-z, nothing else is folded. */
bool msv_account_name_same(const char *a, const char *b);
/* Copies at most n - 1 bytes of name with A-Z made a-z; false when cut short. */
bool msv_account_name_fold(const char *name, char *out, size_t n);

/* As msv_account_copy(), in the op's memory, for results. */
struct msv_account *msv_account_copy_op(struct msv_op *op, const struct msv_account *account);
/* A copy in one piece; the free wipes the password. */
struct msv_auth_question *msv_question_copy(
    struct msv_env *env, const struct msv_auth_question *question);
void msv_question_free(struct msv_env *env, struct msv_auth_question *question);

/* -- SCRAM keys (scram.c) ------------------------------------------------------ */

#define MSV_SCRAM_SALT_MAX           64
#define MSV_SCRAM_ITERATIONS_MAX     10000000
/* For keys that are stored, and for keys derived from a PLAIN entry on each
 * login: there the file holds the password itself, rounds protect nothing. */
/* Cyrus SASL, in many clients, computes at most 65,536. */
#define MSV_SCRAM_ITERATIONS         65536
#define MSV_SCRAM_ITERATIONS_DERIVED 4096

struct msv_scram_value {
	uint32_t iterations;
	size_t salt_len;
	uint8_t salt[MSV_SCRAM_SALT_MAX];
	uint8_t stored_key[MSV_SHA256_SIZE], server_key[MSV_SHA256_SIZE];
};
/* Reads "iterations,salt,stored-key,server-key" (the last three in base64).
 * 0 or MSV_ERR_FORMAT. */
int msv_scram_parse(enum msv_digest digest, const char *text, struct msv_scram_value *value);
/* The same as text, ended by NUL. */
#define MSV_SCRAM_TEXT_SIZE 256
void msv_scram_format(
    enum msv_digest digest, const struct msv_scram_value *value, char out[MSV_SCRAM_TEXT_SIZE]);
/* Fills the two keys from iterations and salt (RFC 5802 3); blocks, any thread.
 * password is prepared by msv_saslprep().  0 or MSV_ERR_NOMEM. */
int msv_scram_derive(enum msv_digest digest, const char *password, struct msv_scram_value *value);
/* Does the proof (RFC 5802 3) belong to the stored key?  In constant time. */
bool msv_scram_proof_ok(const struct msv_scram_keys *keys, const char *auth_message, size_t n,
    const uint8_t proof[MSV_SHA256_SIZE]);

/* -- Preparing passwords (saslprep.c) ------------------------------------------ */

/* The SASLprep form (RFC 4013) of a password in new memory, NULL: no memory.
 * Free with msv_free_string_secret().  Text that SASLprep refuses, and bytes
 * that are not UTF-8, stand for themselves. */
char *msv_saslprep(struct msv_env *env, const char *text);
/* Wipes and frees a string. */
void msv_free_string_secret(struct msv_env *env, char *s);

/* -- Password schemes (scheme.c and its parts) ---------------------------------- */

struct msv_scheme {
	const char *name;
	/* Have the data the form the scheme needs?  Then only are they checked. */
	bool (*valid)(const struct msv_scheme *scheme, const char *data, size_t n);
	/* Is this the password of the n bytes at data (ended by a NUL beyond n)?
	 * Blocks, any thread, touches its arguments alone.  `room` has room_size
	 * bytes; prepared is the SASLprep form.  0, MSV_ERR_AUTH, MSV_ERR_NOMEM. */
	int (*check)(const struct msv_scheme *scheme, const char *data, size_t n,
	    const char *password, const char *prepared, void *room);
	/* Appends the whole second field for a password.  NULL: for reading only. */
	int (*hash)(const struct msv_scheme *scheme, const char *password, struct msv_buf *out);
	size_t room_size;
	enum msv_digest digest;
	const char *prefix; /* of a crypt(3) or Argon2 text, NULL: any */
	const char *method; /* and how crypt(3) is told to make one */
	unsigned long cost;
	bool binary, salted; /* the data is base64 (or hex) of a digest, with a salt behind it */
	bool prepares;       /* looks at the prepared password */
};

/* The rows of the parts. */
extern const struct msv_scheme msv_scheme_crypt[], msv_scheme_digest[], msv_scheme_argon2[];
extern const size_t msv_scheme_ncrypt, msv_scheme_ndigest, msv_scheme_nargon2;

/* How the data behind the scheme is written. */
enum msv_encoding { MSV_ENCODING_PLAIN, MSV_ENCODING_BASE64, MSV_ENCODING_HEX };

/* A second field taken apart. */
struct msv_field {
	const struct msv_scheme *scheme;
	enum msv_encoding encoding;
	const char *data; /* in the field */
};
/* 0, MSV_ERR_UNSUPPORTED (the scheme) or MSV_ERR_FORMAT. */
int msv_field_parse(const char *field, struct msv_field *out);
/* The field that SCRAM keys alone make. */
struct msv_field msv_field_scram(const char *value);
/* The data as bytes in new memory, a NUL behind them; they are secret. */
int msv_field_decode(struct msv_env *env, const struct msv_field *field, char **out, size_t *n);
/* Whether the data can be checked at all.  0, MSV_ERR_FORMAT, MSV_ERR_NOMEM. */
int msv_field_valid(struct msv_env *env, const struct msv_field *field);
/* True for PLAIN: the data decoded are the password. */
bool msv_field_is_plain(const struct msv_field *field);
/* True for the fields that say "no password works": "", "x", "*...", "!...". */
bool msv_field_locked(const char *field);
/* What a check of this field costs, in words: scheme and cost without salt and
 * hash.  Fields of the same kind take the same time. */
#define MSV_KIND_SIZE 96
void msv_field_kind(const struct msv_field *field, char out[MSV_KIND_SIZE]);

/* A check ready to be run: its own copy of everything. */
struct msv_check;
/* 0, MSV_ERR_FORMAT, MSV_ERR_NOMEM. */
int msv_check_new(struct msv_env *env, const struct msv_field *field, const char *password,
    struct msv_check **out);
/* Blocks; any thread.  0, MSV_ERR_AUTH, MSV_ERR_NOMEM. */
int msv_check_run(struct msv_check *check);
/* Wipes. */
void msv_check_free(struct msv_env *env, struct msv_check *check);

/* -- SASL (sasl.c and a file per mechanism) ------------------------------------------ */

struct msv_sasl_mechanism {
	const char *name;
	unsigned bit;       /* MSV_SASL_* */
	const char *prompt; /* the challenge when there is no initial response */
	size_t state_size;  /* of the zeroed memory at sasl->state */
	int (*start)(struct msv_sasl *sasl);
	/* Takes a response, ended by a NUL beyond n.  An error fails the exchange;
	 * after 0 one of the msv_sasl_* functions below was or will be called. */
	int (*step)(struct msv_sasl *sasl, const char *p, size_t n);
	void (*finish)(struct msv_sasl *sasl); /* frees what the state holds */
};
extern const struct msv_sasl_mechanism msv_sasl_plain, msv_sasl_login, msv_sasl_scram_sha_256;

struct msv_sasl {
	struct msv_env *env;
	const struct msv_auth *auth;
	const struct msv_sasl_mechanism *mechanism;
	struct msv_auth_question *connection; /* what is known of it */
	void *state;
	char *user, *authzid; /* authzid NULL: themselves */
	struct msv_account *account;
	struct msv_op *op;    /* the step to answer */
	struct msv_op *asked; /* our question to the auth source */
	bool started, over;
};

/* Who the client says it is: UTF-8 without NUL, copied; an authzid that is
 * empty or the same as user is none.  0, MSV_ERR_FORMAT, MSV_ERR_NOMEM. */
int msv_sasl_identify(struct msv_sasl *sasl, struct msv_span user, struct msv_span authzid);
/* The question of this exchange, with its user. */
struct msv_auth_question msv_sasl_question(const struct msv_sasl *sasl);
/* A question to the auth source; its completion is told the sasl and must
 * begin with msv_sasl_asked_done().  NULL: no memory. */
struct msv_op *msv_sasl_ask(struct msv_sasl *sasl, msv_op_fn done);
void msv_sasl_asked_done(struct msv_sasl *sasl);
/* Asks whether this is the password and ends the exchange by the answer. */
int msv_sasl_verify(struct msv_sasl *sasl, const char *password);
/* Keeps the account for msv_sasl_succeed().  0, MSV_ERR_DENIED when the
 * authzid is somebody else, MSV_ERR_NOMEM. */
int msv_sasl_accept(struct msv_sasl *sasl, const struct msv_account *account);
/* Answers the step. */
void msv_sasl_challenge(struct msv_sasl *sasl, const char *p, size_t n);
void msv_sasl_succeed(struct msv_sasl *sasl);
void msv_sasl_fail(struct msv_sasl *sasl, int error);

/* -- SASL, the client's side (sasl_client.c, sasl_client_scram.c) -------------------- */

struct msv_sasl_client_mechanism {
	const char *name;
	/* Answers client->op for a challenge (decoded; NULL: the initial response). */
	void (*step)(struct msv_sasl_client *client, const char *p, size_t n);
	bool proves; /* the server shows that it knows the password */
};
extern const struct msv_sasl_client_mechanism msv_sasl_client_scram;

struct msv_sasl_client {
	struct msv_env *env;
	const struct msv_sasl_client_mechanism *mechanism;
	char *user, *password;
	struct msv_op *op; /* the step to answer */
	unsigned steps;
	bool proved;
	/* SCRAM: */
	char nonce[25];
	struct msv_buf first_bare; /* client-first-message-bare */
	struct msv_scram_job *job; /* keys are being derived, or NULL */
	uint8_t signature[MSV_SHA256_SIZE];
};

/* Answers the step: with bytes to send (p NULL: no initial response), or an error. */
void msv_sasl_client_reply(struct msv_sasl_client *client, const char *p, size_t n);
void msv_sasl_client_fail(struct msv_sasl_client *client, int error);
/* The job of a client that goes away finishes alone. */
void msv_scram_job_leave(struct msv_scram_job *job);

/* -- Penalties (penalty.c): what the throttle remembers -------------------------------- */

struct msv_penalties;

/* An address or an account, as 16 bytes of a keyed hash. */
struct msv_penalty_id {
	uint8_t b[16];
};
struct msv_penalty {
	struct msv_penalty_id id;
	struct msv_penalty_id tag; /* of the last guess: the same one again is not counted */
	struct msv_penalty_id who; /* of the last failure at an address: whose login it was */
	uint64_t at;               /* of the last failure, monotonic ms */
	uint32_t failures;
	bool mixed;                  /* failures of more than one `who` */
	uint32_t next, newer, older; /* in the table; index + 1, 0 none */
};

/* max: how many are remembered; the one that failed longest ago makes room.
 * forget: milliseconds after the last failure. */
int msv_penalties_new(
    struct msv_env *env, uint32_t max, uint64_t forget, struct msv_penalties **out);
void msv_penalties_free(struct msv_env *env, struct msv_penalties *table);
/* The failures of id at the time `now`; NULL: none. */
struct msv_penalty *msv_penalties_find(
    struct msv_penalties *table, const struct msv_penalty_id *id, uint64_t now);
/* One more failure, unless `tag` (may be NULL) is that of the last one.  No
 * memory: it is not remembered. */
void msv_penalties_count(struct msv_penalties *table, const struct msv_penalty_id *id,
    const struct msv_penalty_id *who, const struct msv_penalty_id *tag, uint64_t now);
/* `who` got in: forgives when all failures of id were theirs. */
void msv_penalties_forgive(
    struct msv_penalties *table, const struct msv_penalty_id *id, const struct msv_penalty_id *who);

/* -- The passwd-file's lines (passwd_parse.c) ---------------------------------------------- */

enum msv_passwd_field {
	MSV_PASSWD_USER,
	MSV_PASSWD_HASH,
	MSV_PASSWD_UID,
	MSV_PASSWD_GID,
	MSV_PASSWD_GECOS,
	MSV_PASSWD_HOME,
	MSV_PASSWD_SHELL,
	MSV_PASSWD_EXTRA, /* may hold colons */
	MSV_PASSWD_FIELDS
};
/* The key of SCRAM keys in the extra field. */
#define MSV_PASSWD_SCRAM_KEY  "scram-sha-256"
/* A line that says: no account at all is what is meant. */
#define MSV_PASSWD_EMPTY_LINE "# no accounts"

/* One line taken apart, without its end. */
struct msv_passwd_line {
	struct msv_span field[MSV_PASSWD_FIELDS]; /* those that are missing are empty */
	unsigned nfields;
	struct msv_span mark; /* a byte order mark in front, or nothing */
	struct msv_span end;  /* "\n", "\r\n"; "\r" or nothing at the end of the text */
	bool finished;        /* a "\n" is there */
	bool blank;           /* empty, white space or a comment */
	bool says_empty;      /* MSV_PASSWD_EMPTY_LINE */
};
/* Takes the first line of *text (not empty). */
void msv_passwd_next_line(struct msv_span *text, struct msv_passwd_line *out);
/* Takes the next space-separated word of an extra field; false: no more. */
bool msv_passwd_next_word(struct msv_span *extra, struct msv_span *word);
/* True when the word is `key` or `key=...`. */
bool msv_passwd_word_is(struct msv_span word, const char *key);

/* -- Reading the file (passwd_read.c) ---------------------------------------------------------- */

#define MSV_PASSWD_SIZE_MAX (64 << 20)

/* Contents, secret; `size` bytes were allocated. */
struct msv_passwd_text {
	char *p;
	size_t n, size;
};
struct stat;
/* 0; MSV_ERR_NOTFOUND, MSV_ERR_DENIED, MSV_ERR_IO (no ordinary file, too),
 * MSV_ERR_LIMIT (more than MSV_PASSWD_SIZE_MAX), MSV_ERR_NOMEM. */
int msv_passwd_read(
    struct msv_env *env, const char *path, struct msv_passwd_text *out, struct stat *st);
int msv_passwd_read_fd(struct msv_env *env, int fd, struct msv_passwd_text *out, struct stat *st);
/* Wipes. */
void msv_passwd_text_free(struct msv_env *env, struct msv_passwd_text *text);
/* The MSV_ERR_* of an errno, and what such an error means for reading. */
int msv_passwd_error(int number);
const char *msv_passwd_why(int error);

/* -- Editing (passwd_rewrite.c) ------------------------------------------------------------------ */

enum msv_passwd_change_kind { MSV_PASSWD_ADD, MSV_PASSWD_CHANGE, MSV_PASSWD_REMOVE };
struct msv_passwd_edit {
	enum msv_passwd_change_kind kind;
	const char *user, *hash, *scram, *home;
};
/* 0 or MSV_ERR_FORMAT: what is to be written can stand in the file. */
int msv_passwd_edit_valid(const struct msv_passwd_edit *edit);
/* Appends the contents after the edit to out; what it does not concern is
 * copied byte by byte.  MSV_ERR_EXISTS, MSV_ERR_NOTFOUND, MSV_ERR_NOMEM. */
int msv_passwd_rewrite(
    const struct msv_passwd_edit *edit, struct msv_span text, struct msv_buf *out);

/* -- The table of accounts (passwd_table.c, passwd_extra.c) -------------------------------- */

struct msv_passwd_entry {
	struct msv_account account; /* strings in the table's text */
	uint32_t line;
	struct msv_field field; /* scheme NULL: no password is right */
	const char *scram;      /* keys as text, NULL: none */
	const char *nets;       /* allow_nets, NULL: from anywhere */
	bool nologin;           /* credentials may be right, access is not given */
	bool any_password;      /* nopassword, from allow_nets alone */
	size_t first_extra;     /* while the table is made */
};

enum { MSV_KINDS_MAX = 16 };

/* One way a check or SCRAM keys can look, and an entry that is so. */
struct msv_kind {
	char name[MSV_KIND_SIZE];
	const struct msv_passwd_entry *entry;
};
struct msv_kinds {
	struct msv_kind kind[MSV_KINDS_MAX];
	size_t n;
};

/* The contents of a file; never changed once made.  Jobs under way keep it. */
struct msv_passwd_table {
	struct msv_env *env;
	unsigned refs;
	char *name; /* of the file, for reports */
	char *text; /* the contents, cut into strings */
	size_t text_size;
	struct msv_passwd_entry *entries;
	size_t n, cap;
	struct msv_auth_extra *extra;
	size_t nextra, extra_cap;
	uint32_t *slots; /* open addressing; index + 1 */
	size_t mask;
	struct msv_kinds checks, scrams; /* what there is, for unknown users to look alike */
	size_t able;                     /* how many may log in */
	bool scram_for_all;              /* everybody who may log in has keys */
	bool unfinished;                 /* the last line has no end */
	bool says_empty;                 /* holds MSV_PASSWD_EMPTY_LINE */
	struct msv_buf reports;          /* a level digit, text and a NUL each */
	size_t nreports;
};

/* Reads n bytes of contents.  0 or MSV_ERR_NOMEM: broken lines are reported. */
int msv_passwd_table_new(
    struct msv_env *env, const char *name, const char *p, size_t n, struct msv_passwd_table **out);
void msv_passwd_table_ref(struct msv_passwd_table *table);
/* The last one wipes and frees; NULL is fine. */
void msv_passwd_table_unref(struct msv_passwd_table *table);
/* The entry of a name in any case, or NULL. */
const struct msv_passwd_entry *msv_passwd_table_find(
    const struct msv_passwd_table *table, const char *name);
/* Notes a report about a line (0: the file). */
void msv_passwd_report(struct msv_passwd_table *table, enum msv_log_level level, uint32_t line,
    const char *fmt, ...) MSV_PRINTF(4, 5);
/* Gives the reports away. */
void msv_passwd_emit_reports(struct msv_passwd_table *table,
    void (*report)(void *user, enum msv_log_level level, const char *line), void *user);
/* Reads one extra word (ended by NUL, written to) into the entry: what the
 * library knows is kept there, everything but secrets is kept for the embedder.
 * 0 or MSV_ERR_NOMEM. */
int msv_passwd_take_extra(
    struct msv_passwd_table *table, struct msv_passwd_entry *entry, char *word);
/* Is the address (NULL: a local socket) among the comma-separated networks? */
bool msv_nets_match(const char *nets, const char *address);
/* True when every item is an address, a network or "local". */
bool msv_nets_valid(const char *nets);
/* True when the entry's password, or its keys, can be right. */
bool msv_passwd_may_log_in(const struct msv_passwd_entry *entry);
/* True when SCRAM keys for it are at hand. */
bool msv_passwd_has_scram(const struct msv_passwd_entry *entry);

/* -- The questions (passwd_auth.c) ------------------------------------------------------------ */

/* Where the table is now; passwd.c swaps it. */
struct msv_passwd_source {
	struct msv_env *env;
	struct msv_passwd_table *table;
	uint8_t key[MSV_SHA256_SIZE]; /* for what is invented for unknown users */
};
/* The entry a password for that name is checked against: their own or, when
 * there is none, another's; NULL: no entry has a password. */
const struct msv_passwd_entry *msv_passwd_checked_entry(
    const struct msv_passwd_source *source, const char *name);
/* The functions of an auth source over *source. */
struct msv_auth msv_passwd_functions(struct msv_passwd_source *source);

#endif
