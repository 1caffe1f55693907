/*
 * Who is this, and may they: the question sessions ask, the SASL mechanisms
 * that ask it, a throttle, and the passwd-file that answers.
 *
 * An embedder with accounts of their own fills a `struct msv_auth`.
 */
#ifndef MAILSERV_AUTH_H
#define MAILSERV_AUTH_H

#include <mailserv/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* -- The question and its answers ------------------------------------------ */

/* What is known when credentials are to be checked.  Strings belong to the
 * asker and are valid during the call only; NULL where there is none. */
struct msv_auth_question {
	size_t size;
	const char *user;         /* the authentication identity, UTF-8 */
	const char *authzid;      /* whom the user wants to act as; NULL: themselves */
	const char *password;     /* verify only */
	const char *mechanism;    /* "PLAIN", "LOGIN", "SCRAM-SHA-256" */
	const char *service;      /* "submission", "smtp", "imap" */
	const char *peer_address; /* "192.0.2.1", NULL for a local socket */
	const char *session_id;
	bool tls; /* the connection is encrypted */
};

/* One `key=value` of an account; a bare key has the value "yes". */
struct msv_auth_extra {
	const char *key, *value;
};

/* An account. */
struct msv_account {
	size_t size;
	const char *name;        /* canonical: "user@example.org" or a bare "user" */
	const char *home;        /* may be "" */
	uint64_t quota_storage;  /* bytes, 0: no limit */
	uint64_t quota_messages; /* 0: no limit */
	bool receives;           /* mail may be delivered to it (its name has a domain) */
	const struct msv_auth_extra *extra;
	size_t nextra;
	/* As the source has them, numbers or names, may be ""; the library uses
	 * neither. */
	const char *uid, *gid;
	bool any_sender; /* may send as any address: a program of this machine */
};

/* A copy in one piece of memory, freed with msv_env_realloc(env, copy, 0); its
 * strings are never NULL.  NULL: no memory. */
MSV_API struct msv_account *msv_account_copy(
    struct msv_env *env, const struct msv_account *account);

/* True when a name may stand for an account in paths: UTF-8, no control
 * characters, no '/', at most 255 bytes, neither part beginning with a dot or
 * empty, at most one '@'.  The one validator for account names. */
MSV_API bool msv_account_name_valid(const char *name);

/* Answered by an account (msv_auth_answer()), or fails with MSV_ERR_AUTH (no
 * such user or wrong password: never told apart), MSV_ERR_NOTFOUND (lookup
 * only), MSV_ERR_DENIED (credentials are right, access is not), MSV_ERR_BUSY
 * (throttled), MSV_ERR_IO and MSV_ERR_NOMEM (temporary).
 * Result of the completion: const struct msv_account *. */
struct msv_auth_op {
	struct msv_op *op;
};
/* The account is copied. */
MSV_API void msv_auth_answer(struct msv_auth_op op, const struct msv_account *account);

/* What a server stores for SCRAM (RFC 5802 3). */
struct msv_scram_keys {
	size_t size;
	uint32_t iterations;
	const uint8_t *salt;
	size_t salt_len;
	const uint8_t *stored_key, *server_key; /* as long as the digest: 32 for SHA-256 */
};
/* Result of the completion: const struct msv_scram_keys *. */
struct msv_scram_op {
	struct msv_op *op;
};
/* The keys are copied. */
MSV_API void msv_scram_answer(struct msv_scram_op op, const struct msv_scram_keys *keys);

/* SASL mechanisms, or-ed together. */
enum {
	MSV_SASL_PLAIN = 1,
	MSV_SASL_LOGIN = 2,
	MSV_SASL_SCRAM_SHA_256 = 4,
};

/* A source of accounts.  Members that are NULL are not offered. */
struct msv_auth {
	size_t size;
	void *self; /* handed to each function */

	/* Which mechanisms every account can use: MSV_SASL_*.  Clients pick the
	 * strongest, so one that some account lacks must not be here.  NULL: PLAIN
	 * and LOGIN. */
	unsigned (*mechanisms)(void *self);
	/* Is this the password?  Must take the same time for unknown users. */
	void (*verify)(void *self, const struct msv_auth_question *question, struct msv_auth_op op);
	/* The SCRAM keys of question->user.  For unknown users invented ones that
	 * are the same each time. */
	void (*scram_keys)(
	    void *self, const struct msv_auth_question *question, struct msv_scram_op op);
	/* The SCRAM proof was right (proof_ok) or wrong: count it, and answer with
	 * the account or MSV_ERR_AUTH. */
	void (*scram_result)(void *self, const struct msv_auth_question *question, bool proof_ok,
	    struct msv_auth_op op);
	/* The account of that name, without a password: for delivery. */
	void (*lookup)(void *self, const char *name, struct msv_auth_op op);
};

/* -- SASL, the server's side (RFC 4422) ------------------------------------- */

/* One exchange.  Used by SMTP AUTH (RFC 4954) and IMAP AUTHENTICATE.  A client
 * may ask to act as somebody else (authzid): the source must allow it by
 * answering with that account; any other answer becomes MSV_ERR_DENIED. */
struct msv_sasl;

/* The space-separated names of the mechanisms that may be offered, strongest
 * first ("SCRAM-SHA-256 PLAIN LOGIN"), "" when none, into buf of n bytes. */
MSV_API void msv_sasl_list(const struct msv_auth *auth, char *buf, size_t n);

/* Starts an exchange.  mechanism in any case.  The question holds what is
 * known of the connection (service, peer_address, session_id, tls) and is
 * copied.  MSV_ERR_UNSUPPORTED when the mechanism is not offered. */
MSV_API int msv_sasl_new(struct msv_env *env, const struct msv_auth *auth, const char *mechanism,
    const struct msv_auth_question *question, struct msv_sasl **out);

/* What the session is to do now. */
struct msv_sasl_result {
	size_t size;
	const char *challenge; /* base64: send it and call step with the reply; NULL: over */
	const struct msv_account *account; /* over, and this is who logged in */
};
/* Result of the completion: const struct msv_sasl_result *.  Fails as
 * msv_auth_op does, and with MSV_ERR_FORMAT (not base64, or not what the
 * mechanism requires) and MSV_ERR_CANCELED (the client sent "*"). */
struct msv_sasl_op {
	struct msv_op *op;
};

/* Goes one step: text is the base64 the client sent, without line end ("=" is
 * an empty initial response, "*" cancels); NULL when there was no initial
 * response.  One step at a time, and none after the end: MSV_ERR_INVAL. */
MSV_API void msv_sasl_step(
    struct msv_sasl *sasl, const char *text, size_t n, struct msv_sasl_op op);

/* Who the client says it is, for the log: "" until it has said so.  Valid until
 * the next step. */
MSV_API const char *msv_sasl_user(const struct msv_sasl *sasl);

/* Frees the exchange; wipes secrets.  An op under way is canceled as by
 * msv_op_cancel(): its completion never runs, do not touch it afterwards.
 * Allowed inside the completion of a step (the result stays readable). */
MSV_API void msv_sasl_free(struct msv_sasl *sasl);

/* -- SASL, the client's side (RFC 4422) -------------------------------------- */

/* One exchange with a server, for those who log in elsewhere: SMTP AUTH. */
struct msv_sasl_client;

/* Starts an exchange by the strongest mechanism of those offered, a list of names
 * with spaces between: SCRAM-SHA-256 (RFC 7677), PLAIN (RFC 4616), LOGIN.  Strings
 * are copied.  PLAIN and LOGIN show the password to whoever listens: call it
 * inside TLS.  MSV_ERR_UNSUPPORTED: none of them is offered; MSV_ERR_NOMEM;
 * MSV_ERR_IO (no randomness). */
MSV_API int msv_sasl_client_new(struct msv_env *env, const char *offered, const char *user,
    const char *password, struct msv_sasl_client **out);

/* The mechanism's name, in capitals. */
MSV_API const char *msv_sasl_client_mechanism(const struct msv_sasl_client *client);

/* What is to be sent. */
struct msv_sasl_reply {
	size_t size;
	const char *text; /* base64, "" for an empty one; NULL: no initial response */
};
/* Result of the completion: const struct msv_sasl_reply *, a secret.  Fails with
 * MSV_ERR_FORMAT (the challenge is not what the mechanism requires), MSV_ERR_AUTH
 * (the server does not know the password), MSV_ERR_LIMIT (it wants more
 * iterations than 1,000,000), MSV_ERR_NOMEM, MSV_ERR_CANCELED (freed). */
struct msv_sasl_client_op {
	struct msv_op *op;
};
/* Goes one step: text is the base64 of the server's challenge, without line end;
 * NULL: there was none yet, an initial response is asked for.  One step at a
 * time.  Keys are derived on MSV_LANE_HASH. */
MSV_API void msv_sasl_client_step(
    struct msv_sasl_client *client, const char *text, size_t n, struct msv_sasl_client_op op);

/* The server says that the login succeeded.  0, or MSV_ERR_AUTH: it has not shown
 * that it knows the password, as the mechanism demands. */
MSV_API int msv_sasl_client_finish(const struct msv_sasl_client *client);

/* Frees the exchange; wipes secrets.  An op under way is answered. */
MSV_API void msv_sasl_client_free(struct msv_sasl_client *client);

/* -- The throttle ------------------------------------------------------------ */

/* Slows guessing: failures are counted per peer address (IPv6: per /64) and
 * per account; while a penalty runs, the answer is withheld. */
struct msv_throttle;

struct msv_throttle_options {
	size_t size;
	uint32_t failure_delay_ms;     /* every failure is answered so late [2000] */
	uint32_t address_delay_ms;     /* added per failure of the address, doubling [2000] */
	uint32_t address_delay_max_ms; /* [15000] */
	uint32_t account_failures; /* from any address; beyond, the account is slowed too [20] */
	uint32_t forget_s;         /* failures are forgotten after as many seconds [900] */
	uint32_t waiting_max;      /* logins held back at once; beyond: MSV_ERR_BUSY [1000] */
	uint32_t entries_max;      /* addresses and accounts remembered [10000] */
};

/* Wraps `inner` (which must outlive it).  options may be NULL. */
MSV_API int msv_throttle_new(struct msv_env *env, const struct msv_auth *inner,
    const struct msv_throttle_options *options, struct msv_throttle **out);
/* The auth source to give to sessions; lives as long as the throttle. */
MSV_API const struct msv_auth *msv_throttle_auth(struct msv_throttle *throttle);
MSV_API void msv_throttle_free(struct msv_throttle *throttle);

/* -- The passwd-file ---------------------------------------------------------- */

/*
 * `user:hash:uid:gid:gecos:home:shell:extra` lines, as OpenSMTPD's
 * table_passwd and Dovecot's passwd-file share them.  Empty fields and short
 * lines are allowed, `#` begins a comment line; extra is space-separated
 * `key=value`, a bare key means yes, and may hold colons.
 *
 * - `user@domain` receives mail and logs in; a bare name only logs in.  Names
 *   are compared without regard to the case of A-Z, the local part too; an
 *   account's name is the one in lower case.
 * - A second field that is empty, "x", or begins with `*` or `!` lets nobody
 *   in; the account still receives mail.
 * - Extra words the library acts on: `allow_nets=` (addresses and networks,
 *   "local" for local sockets: from elsewhere every password is wrong),
 *   `nologin` (MSV_ERR_DENIED after the right password; receives mail),
 *   `nopassword` (any password is right; only with an empty hash and
 *   allow_nets), `scram-sha-256=` (SCRAM keys beside the hash; shown to the
 *   embedder as "yes"), `userdb_quota_rule=*:storage=1G`,
 *   `userdb_quota_storage_size=1G`, `userdb_quota_message_count=`.
 *   All others are for the embedder.  `proxy` and `nodelay` have no effect:
 *   nothing here forwards logins, and the throttle alone decides on delays.
 * - The first line of a name wins.  Lines with uid 0 are refused.  A broken line
 *   is reported with file:line and skipped; an account whose hash cannot be
 *   checked by this build is reported and receives mail, but nobody logs in.
 * - SCRAM-SHA-256 is offered when everybody who may log in has keys, in a
 *   `{SCRAM-SHA-256}` field or an extra word, or a `{PLAIN}` password.
 *
 * When a file changes it is read again.  Contents that end in the middle of a
 * line, or lack accounts that were there, are taken only when they stayed the
 * same for settle_ms: they may be half-written.  Contents without any account
 * never replace some, unless they have the line "# no accounts"; nor do
 * contents that end in the middle of a line and let nobody log in.
 */
struct msv_passwd;

struct msv_passwd_options {
	size_t size;
	/* The file to read and to watch.  NULL: the program hands contents over
	 * with msv_passwd_load(). */
	const char *path;
	/* One line for people about a file: "FILE:LINE: what, remedy"
	 * [the env's log].  Valid during the call. */
	void (*report)(void *user, enum msv_log_level level, const char *line);
	void *user;
	/* A key for the invented salts and costs of unknown users, at least 16
	 * bytes, kept the same over restarts: a salt that changes would tell that
	 * there is no such user [random] */
	const void *secret;
	size_t secret_len;
	/* How long suspicious contents must stay the same [1000] */
	uint32_t settle_ms;
};

/* Opens and reads the file.  MSV_ERR_NOTFOUND, MSV_ERR_DENIED, MSV_ERR_IO when
 * it cannot be read (reported; nothing is made then), MSV_ERR_LIMIT (more than
 * 64 MiB), MSV_ERR_INVAL (a secret too short), MSV_ERR_NOMEM. */
MSV_API int msv_passwd_new(
    struct msv_env *env, const struct msv_passwd_options *options, struct msv_passwd **out);
/* The auth source; lives as long as the passwd.  Its questions may be answered
 * after that. */
MSV_API const struct msv_auth *msv_passwd_auth(struct msv_passwd *passwd);
/* Reads the file again and takes it now, suspicious or not.  Errors as for
 * msv_passwd_new(), and MSV_ERR_FORMAT when it holds no account though it held
 * some, or ends in the middle of a line and lets nobody log in; the old accounts
 * stay then.  MSV_ERR_INVAL without a path. */
MSV_API int msv_passwd_reload(struct msv_passwd *passwd);
/* Takes new contents (copied), suspicious ones after settle_ms; name stands in
 * reports.  MSV_ERR_FORMAT as above, MSV_ERR_LIMIT, MSV_ERR_NOMEM. */
MSV_API int msv_passwd_load(struct msv_passwd *passwd, const char *name, const char *p, size_t n);
/* How many accounts there are. */
MSV_API size_t msv_passwd_count(const struct msv_passwd *passwd);
/* Secrets are wiped.  Checks under way end by themselves. */
MSV_API void msv_passwd_free(struct msv_passwd *passwd);

/* -- Making and editing entries ------------------------------------------------ */

/* Hashes a password for the second field into *out (free with
 * msv_env_realloc(env, out, 0)); blocks.  scheme, in any case: "CRYPT",
 * "BLF-CRYPT", "SHA512-CRYPT", "SHA256-CRYPT", "SSHA512", "SSHA256",
 * "ARGON2ID", "SCRAM-SHA-256" or "PLAIN"; NULL: the best this build's crypt(3)
 * has, without one SCRAM-SHA-256.  Hashes of crypt(3) are bare, for OpenSMTPD
 * to read them; others carry their {SCHEME}.  MSV_ERR_UNSUPPORTED: unknown,
 * only for checking, or not in this build; MSV_ERR_INVAL: the password is
 * empty; MSV_ERR_LIMIT: it is too long for the scheme. */
MSV_API int msv_password_hash(
    struct msv_env *env, const char *scheme, const char *password, char **out);
/* The SCRAM-SHA-256 entry of a password, as the value for the extra field
 * (`scram-sha-256=...`), so that one line has a hash and SCRAM keys; blocks.
 * ASCII stands for itself; other text is prepared by SASLprep (RFC 4013), whose
 * NFKC needs a build with utf8proc. */
MSV_API int msv_password_scram(struct msv_env *env, const char *password, char **out);
/* Checks a password against a second field; blocks.  0, MSV_ERR_AUTH,
 * MSV_ERR_UNSUPPORTED (scheme), MSV_ERR_FORMAT. */
MSV_API int msv_password_check(struct msv_env *env, const char *field, const char *password);

/* Adds (hash given; scram and home may be NULL), changes (keeps the other
 * fields; SCRAM keys of the old password go) or removes the entry of `user` in
 * the file, duplicate lines of it too, atomically: a new file is written, fsynced and renamed;
 * mode and owner are kept; comments and order stay.  A lock (FILE.lock) keeps
 * two edits apart.  A missing file is created (mode 0600) by add.  When the
 * last account goes a line "# no accounts" is left.  MSV_ERR_EXISTS,
 * MSV_ERR_NOTFOUND, MSV_ERR_FORMAT (a name or field that cannot stand in the
 * file), MSV_ERR_BUSY (somebody else is editing), MSV_ERR_DENIED (owner and
 * group could not be kept, too), MSV_ERR_NOSPACE, MSV_ERR_LIMIT, MSV_ERR_IO. */
MSV_API int msv_passwd_add(struct msv_env *env, const char *path, const char *user,
    const char *hash, const char *scram, const char *home);
MSV_API int msv_passwd_change(
    struct msv_env *env, const char *path, const char *user, const char *hash, const char *scram);
MSV_API int msv_passwd_remove(struct msv_env *env, const char *path, const char *user);
/* Calls row for each account, in the order of the file; broken lines are
 * reported to the env's log.  The account is valid during the call; scheme is
 * the name of its password scheme, "" when no password is right. */
MSV_API int msv_passwd_list(struct msv_env *env, const char *path,
    void (*row)(void *user, const struct msv_account *account, const char *scheme), void *user);

#ifdef __cplusplus
}
#endif

#endif
