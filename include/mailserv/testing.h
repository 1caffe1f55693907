/*
 * For unit tests of the library and of its embedders: an env whose clock,
 * randomness and memory the test commands, dialogues that drive a connection,
 * a DNS and a network in memory, and the conformance kit for stores.
 */
#ifndef MAILSERV_TESTING_H
#define MAILSERV_TESTING_H

#include <mailserv/auth.h>
#include <mailserv/base.h>
#include <mailserv/conn.h>
#include <mailserv/dns.h>
#include <mailserv/store.h>
#include <mailserv/transport.h>

#ifdef __cplusplus
extern "C" {
#endif

/* -- An env that does as it is told -------------------------------------------- */

struct msv_test_env;

/* A new one: clock at 1,000,000 ms, 2026-01-01 00:00:00 UTC, randomness from a
 * seed (0 is fine), offloaded jobs waiting for msv_test_run(). */
MSV_API int msv_test_env_new(uint64_t seed, struct msv_test_env **out);
MSV_API struct msv_env *msv_test_env(struct msv_test_env *test);
/* Frees the env too.  Returns how many allocations of it were never freed;
 * those stay usable (and leaked) then. */
MSV_API size_t msv_test_env_free(struct msv_test_env *test);
/* Lets so many milliseconds pass on both clocks and runs what is due: timers of
 * the env, tasks and jobs.  A connection's own deadline is met by
 * msv_conn_tick(), or by T: of a dialogue. */
MSV_API void msv_test_advance(struct msv_test_env *test, uint64_t ms);
/* Runs tasks and offloaded jobs until nothing is left to do now. */
MSV_API void msv_test_run(struct msv_test_env *test);
/* The n-th allocation from now fails (0: the next), once or from then on.
 * n UINT64_MAX: none fails. */
MSV_API void msv_test_fail_alloc(struct msv_test_env *test, uint64_t n, bool forever);
/* Allocations asked for since the start; bytes held now; most bytes ever held. */
MSV_API uint64_t msv_test_allocs(const struct msv_test_env *test);
MSV_API size_t msv_test_memory(const struct msv_test_env *test);
MSV_API size_t msv_test_memory_peak(const struct msv_test_env *test);
/* Everything logged since the last call, lines ended by \n; valid until the
 * next. */
MSV_API const char *msv_test_log(struct msv_test_env *test);

/* -- Dialogues ------------------------------------------------------------------- */

/* How the client's bytes are handed to the connection. */
enum msv_dialogue_split {
	MSV_SPLIT_LINES,    /* a C: line at a time */
	MSV_SPLIT_BYTES,    /* byte by byte */
	MSV_SPLIT_PIPELINE, /* all C: lines up to the next S: at once */
};

/*
 * Plays a script against a connection, a step a line; white space in front of
 * a step does not count:
 *
 *	C: EHLO client.example      a line the client sends (CRLF is added)
 *	C, text                     as C: without CRLF
 *	C= \x00\r\n                 bytes with escapes \r \n \t \\ \xNN, no CRLF
 *	S: 250 OK                   a line the server must send next
 *	S* pattern*with?wildcards   one line that matches
 *	S= \x00\r\n                 bytes it must send next, with the escapes of C=
 *	S~                          any lines up to the one the next S: or S* names;
 *	                            before any other step, all there are
 *	T: 30000                    so many milliseconds pass
 *	E:                          the client closes its side
 *	X:                          the server must have closed, with no more output
 *	# comment
 *
 * Like a good event loop it gives bytes only under MSV_WANT_READ, keeps what the
 * connection does not want yet, runs the env and takes the output all the
 * while (byte by byte too, with MSV_SPLIT_BYTES).  Whatever the connection says
 * must be in the script: output left over at its end is a difference.  What it
 * said before the call (a greeting) belongs to the script too.
 *
 * Returns 0; MSV_ERR_FORMAT when the server said something else; MSV_ERR_INVAL
 * when a line is none of the above.  On error *difference (may be NULL) points
 * to a text naming the script's line (the first is 1), what was expected and
 * what came, valid until the next dialogue of this env.
 */
MSV_API int msv_test_dialogue(struct msv_test_env *test, struct msv_conn *conn,
    enum msv_dialogue_split split, const char *script, const char **difference);

/* The same where the connection is a client: the roles change places.  The script
 * is the server, S: S, and S= are what it says, C: C* C= and C~ what the client
 * must say; E: the server closes its side, X: the client must have closed. */
MSV_API int msv_test_client_dialogue(struct msv_test_env *test, struct msv_conn *conn,
    enum msv_dialogue_split split, const char *script, const char **difference);

/* Runs what is due now, and takes everything the connection wants to send;
 * valid until the next call with this env.  Ended by a NUL that is not counted. */
MSV_API struct msv_span msv_test_take_output(struct msv_test_env *test, struct msv_conn *conn);

/* An auth source with one fixed list of users: "user", "password" pairs ended by
 * NULL, copied.  Answers at once; offers PLAIN, LOGIN and SCRAM-SHA-256; nobody
 * may act as somebody else (MSV_ERR_DENIED).  Lives as long as the test env;
 * NULL: no memory. */
MSV_API const struct msv_auth *msv_test_auth(
    struct msv_test_env *test, const char *const *users_and_passwords);

/* -- A DNS in memory --------------------------------------------------------------- */

/*
 * Answers from a zone in text, a record a line; what is not there does not exist:
 *
 *	example.org MX 10 mx.example.org     names are whole, a dot at the end is fine
 *	mx.example.org 60 A 192.0.2.1        60: seconds to keep it [300]
 *	www.example.org CNAME mx.example.org followed, at most 8 times
 *	example.org TXT "two " "parts"
 *	_25._tcp.mx.example.org TLSA 3 1 1 00ff...
 *	empty.example.org NODATA             the name exists without records
 *	broken.example SERVFAIL [TYPE]       MSV_ERR_IO, for that type alone or for all
 *	forged.example BOGUS [TYPE]          MSV_ERR_FORMAT
 *	silent.example TIMEOUT [TYPE]        MSV_ERR_TIMEOUT after 10 s of the clock
 *	example.org SECURE                   what is said of it and what is beneath it
 *	                                     is validated
 *	; comment
 *
 * AAAA and PTR are known too.  Names are given back as they stand in the text, in
 * lower case.  Lives as long as the test env; NULL: no memory, or a line that is
 * none of the above.
 */
MSV_API const struct msv_dns *msv_test_dns(struct msv_test_env *test, const char *zone);
/* Another zone from now on.  MSV_ERR_FORMAT, MSV_ERR_NOMEM: the old one stays. */
MSV_API int msv_test_dns_zone(const struct msv_dns *dns, const char *zone);
/* Answers so many milliseconds of the clock after the question [at once]. */
MSV_API void msv_test_dns_late(const struct msv_dns *dns, uint64_t ms);
/* What was asked since the last call, "MX example.org\n" each, in order; valid
 * until the next. */
MSV_API const char *msv_test_dns_asked(const struct msv_dns *dns);

/* -- Connections in memory ------------------------------------------------------------ */

/* Somebody connects: returns the conn of a server, of the test's env, which the
 * transport then drives and frees; or NULL, with the reason in *error [MSV_ERR_IO:
 * connection refused].  MSV_ERR_TIMEOUT is told when the target's time is over.
 * target is valid during the call. */
typedef struct msv_conn *(*msv_test_accept_fn)(
    void *user, const struct msv_transport_target *target, int *error);

/* A transport whose connections are pairs of conns: what one sends the other gets,
 * as much as it wants, whenever the env runs (msv_test_run(), msv_test_advance()).
 * Deadlines of both are kept.  Lives as long as the test env, which drops the
 * connections that are left; NULL: no memory. */
MSV_API const struct msv_transport *msv_test_transport(
    struct msv_test_env *test, msv_test_accept_fn accept, void *user);
/* Connecting takes so many milliseconds of the clock [0]. */
MSV_API void msv_test_transport_late(const struct msv_transport *transport, uint64_t ms);
/* How many connections are open. */
MSV_API size_t msv_test_transport_open(const struct msv_transport *transport);
/* The network breaks: both ends of each connection see it. */
MSV_API void msv_test_transport_cut(const struct msv_transport *transport);

/* -- The conformance kit for stores -------------------------------------------------- */

struct msv_store_conform_options {
	size_t size;
	struct msv_test_env *test; /* the store's env */
	/* A store with no mail at all in *out.  Called before each check. */
	int (*setup)(void *user, const struct msv_store **out);
	/* The check is over: all openings are closed. */
	void (*teardown)(void *user);
	/* Forget everything kept in memory and open the same storage again, for
	 * checks of what outlasts a restart.  NULL: those checks are left out. */
	int (*restart)(void *user, const struct msv_store **out);
	void *user;
	/* Told of each check: name, and NULL or what promise was broken. */
	void (*report)(void *user, const char *check, const char *broken);
	const char *only; /* run the check of this name alone */
	/* Accounts the store takes mail for [kit@example.org, other@example.net] and
	 * their home directories [none]. */
	const char *account, *other_account;
	const char *home, *other_home;
};

/* Checks every promise store.h makes, each on an empty store: what was given
 * comes back, all or nothing is done, UIDs and modseqs keep their rules, what is
 * open stays readable, ops that are late, paused or canceled do no harm.  The
 * store may answer at once or late, as long as it does within a minute of the
 * env's clock.  Returns how many checks failed, or a negative error when the kit
 * itself could not run: what setup or restart returned, MSV_ERR_NOMEM, or
 * MSV_ERR_NOTFOUND when there is no check of the name `only`. */
MSV_API int msv_store_conform(const struct msv_store_conform_options *options);

#ifdef __cplusplus
}
#endif

#endif
