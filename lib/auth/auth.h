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
#define MSV_SCRAM_ITERATIONS         100000
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

#endif
