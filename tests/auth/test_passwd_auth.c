/* Questions to a passwd-file: who gets in, and that nobody can tell who exists. */
#include <stdlib.h>
#include <time.h>

#include "auth_test.h"
#include "config.h"
#include "testing/testing.h"

static struct msv_test_env *t;
static struct msv_env *env;
static struct msv_passwd *p;
static const struct msv_auth *auth;

/* RFC 7677's keys of "pencil", 4096 rounds. */
#define PENCIL \
	"4096,W22ZaJ0SNY7soEsUEjb6gQ==,WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=," \
	"wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
/* {SSHA256} of "secret" */
#define SSHA "{SSHA256}+E+iFJ27Yu1ODPH1UNKUmzOmUT06dwfghQJRHHnMsO5zYWx0"

static void setup(void)
{
	ck_assert_int_eq(msv_test_env_new(0, &t), 0);
	env = msv_test_env(t);
	p = NULL;
}

static void teardown(void)
{
	msv_passwd_free(p);
	ck_assert_uint_eq(msv_test_env_free(t), 0);
}

static void load(const char *text)
{
	static const char secret[] = "sixteen bytes or more";
	struct msv_passwd_options options = {
		.size = sizeof(options), .secret = secret, .secret_len = sizeof(secret)
	};

	msv_passwd_free(p);
	ck_assert_int_eq(msv_passwd_new(env, &options, &p), 0);
	ck_assert_int_eq(msv_passwd_load(p, "passwd", text, strlen(text)), 0);
	auth = msv_passwd_auth(p);
	(void)msv_test_log(t);
}

static int try(const char *user, const char *password)
{
	return login(t, auth, user, password).error;
}

static int try_from(const char *address, const char *user, const char *password)
{
	struct msv_auth_question q = question(user, password);

	q.peer_address = address;
	return ask(t, auth, &q).error;
}

static bool offers_scram(void)
{
	return auth->mechanisms(auth->self) & MSV_SASL_SCRAM_SHA_256;
}

/* -- Who gets in -------------------------------------------------------------------- */

START_TEST(verify)
{
	load("ann@example.org:" SSHA "\nbob:{PLAIN}pw::::/home/bob::color=red\n");
	struct answer a = login(t, auth, "Ann@Example.Org", "secret");
	ck_assert_int_eq(a.error, 0);
	ck_assert_str_eq(a.account, "ann@example.org");
	ck_assert_int_eq(try("ann@example.org", "Secret"), MSV_ERR_AUTH);
	ck_assert_int_eq(try("ann@example.org", ""), MSV_ERR_AUTH);
	ck_assert_int_eq(try("ann", "secret"), MSV_ERR_AUTH);
	a = login(t, auth, "BOB", "pw");
	ck_assert_str_eq(a.account, "bob");
	ck_assert_str_eq(a.home, "/home/bob");
	ck_assert_str_eq(a.extra, "color=red;");
	ck_assert_int_eq(try("nobody", "secret"), MSV_ERR_AUTH);
	ck_assert_int_eq(try("nobody", "pw"), MSV_ERR_AUTH);
	ck_assert_int_eq(try("", ""), MSV_ERR_AUTH);
	ck_assert_int_eq(try(NULL, NULL), MSV_ERR_AUTH);
	ck_assert_int_eq(try("../bob", "pw"), MSV_ERR_AUTH);
}
END_TEST

START_TEST(authzid)
{
	load("ann@example.org:" SSHA "\nbob:{PLAIN}pw\n");
	struct msv_auth_question q = question("bob", "pw");

	q.authzid = "ann@example.org";
	ck_assert_int_eq(ask(t, auth, &q).error, MSV_ERR_DENIED);
	q.password = "wrong";
	ck_assert_int_eq(ask(t, auth, &q).error, MSV_ERR_AUTH);
	q.password = "pw";
	q.authzid = "BOB";
	ck_assert_int_eq(ask(t, auth, &q).error, 0);
	q.authzid = "";
	ck_assert_int_eq(ask(t, auth, &q).error, 0);
}
END_TEST

START_TEST(nologin)
{
	load("ann@example.org:" SSHA "::::::nologin\nbob:{PLAIN}pw::::::nologin=no\n"
	     "carol:{PLAIN}pw::::::nologin=y\n");
	ck_assert_int_eq(try("ann@example.org", "secret"), MSV_ERR_DENIED);
	ck_assert_int_eq(try("ann@example.org", "wrong"), MSV_ERR_AUTH);
	ck_assert(lookup(t, auth, "ann@example.org").receives);
	ck_assert_int_eq(try("bob", "pw"), 0);
	ck_assert_int_eq(scram_result(t, auth, "carol", true).error, MSV_ERR_DENIED);
	ck_assert_int_eq(scram_result(t, auth, "carol", false).error, MSV_ERR_AUTH);
}
END_TEST

START_TEST(allow_nets)
{
	load("ann:{PLAIN}pw::::::allow_nets=192.0.2.0/24,2001:db8::/33,203.0.113.7\n"
	     "bob:{PLAIN}pw::::::allow_nets=local,10.0.0.0/9\n"
	     "carol:{PLAIN}pw::::::allow_nets=nonsense,10.1.2.3\n"
	     "dave:{PLAIN}pw::::::allow_nets=0.0.0.0/0\n");
	static const struct {
		const char *user, *address;
		int error;
	} from[] = {
		{ "ann", "192.0.2.255", 0 },
		{ "ann", "192.0.3.0", MSV_ERR_AUTH },
		{ "ann", "::ffff:192.0.2.1", 0 },
		{ "ann", "2001:db8:7fff::1", 0 },
		{ "ann", "2001:db8:8000::1", MSV_ERR_AUTH },
		{ "ann", "203.0.113.7", 0 },
		{ "ann", "203.0.113.6", MSV_ERR_AUTH },
		{ "ann", NULL, MSV_ERR_AUTH },
		{ "ann", "what", MSV_ERR_AUTH },
		{ "bob", NULL, 0 },
		{ "bob", "10.127.0.1", 0 },
		{ "bob", "10.128.0.1", MSV_ERR_AUTH },
		{ "bob", "local", MSV_ERR_AUTH },
		{ "carol", "10.1.2.3", 0 },
		{ "carol", "10.1.2.4", MSV_ERR_AUTH },
		{ "dave", "198.51.100.1", 0 },
		{ "dave", "2001:db8::1", MSV_ERR_AUTH },
	};

	for (size_t i = 0; i < sizeof(from) / sizeof(*from); i++)
		ck_assert_msg(try_from(from[i].address, from[i].user, "pw") == from[i].error,
		    "%s %s", from[i].user, from[i].address ? from[i].address : "local");
	(void)msv_test_log(t);
	ck_assert_int_eq(try_from("192.0.3.0", "ann", "pw"), MSV_ERR_AUTH);
	ck_assert_str_eq(msv_test_log(t),
	    "info: auth: user=ann refused: right password from an address not in allow_nets\n");
	ck_assert_int_eq(try_from("192.0.3.0", "ann", "wrong"), MSV_ERR_AUTH);
	ck_assert_str_eq(msv_test_log(t), "");
}
END_TEST

START_TEST(allow_nets_items)
{
	static const char *const good[] = { "", "1.2.3.4", "1.2.3.4/0", "1.2.3.4/32", "::/0",
		"::1/128", "local", "1.2.3.4,::1", "LOCAL, 1.2.3.4" };
	static const char *const bad[] = { "1.2.3", "1.2.3.4/", "1.2.3.4/33", "::1/129",
		"1.2.3.4/x", "1.2.3.4/-1", "1.2.3.4/0000", "host.example", "1.2.3.4;5.6.7.8",
		"0000000000000000000000000000000000000000000000000000000000000000000000001.2.3.4" };

	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		ck_assert_msg(msv_nets_valid(good[i]), "%s", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		ck_assert_msg(!msv_nets_valid(bad[i]), "%s", bad[i]);
		ck_assert_msg(!msv_nets_match(bad[i], "1.2.3.4"), "%s", bad[i]);
	}
}
END_TEST

START_TEST(nopassword)
{
	load("ann:::::::nopassword allow_nets=192.0.2.0/24\n");
	ck_assert_int_eq(try("ann", "anything"), 0);
	ck_assert_int_eq(try_from("198.51.100.1", "ann", "anything"), MSV_ERR_AUTH);
	ck_assert(!offers_scram());

	const char *text =
	    "ann:::::::nopassword\nbob:{PLAIN}pw::::::nopassword allow_nets=0.0.0.0/0\n";
	ck_assert_int_eq(msv_passwd_load(p, "passwd", text, strlen(text)), 0);
	ck_assert_str_eq(msv_test_log(t),
	    "warn: passwd:1: nopassword is ignored: it wants an empty second field and allow_nets\n"
	    "warn: passwd:2: nopassword is ignored: it wants an empty second field and allow_nets\n"
	    "info: passwd: 2 accounts\n");
	ck_assert_int_eq(try("ann", "anything"), MSV_ERR_AUTH);
	ck_assert_int_eq(try("bob", "anything"), MSV_ERR_AUTH);
	ck_assert_int_eq(try("bob", "pw"), 0);
}
END_TEST

/* -- SCRAM -------------------------------------------------------------------------------- */

START_TEST(scram_offered)
{
	static const struct {
		const char *text;
		bool offered;
	} files[] = {
		{ "", false },
		{ "a:{PLAIN}x\n", true },
		{ "a:{PLAIN.b64}eA==\n", true },
		{ "a:{SCRAM-SHA-256}" PENCIL "\n", true },
		{ "a:" SSHA "::::::scram-sha-256=" PENCIL "\nb:{PLAIN}x\n", true },
		{ "a:::::::scram-sha-256=" PENCIL "\n", true },
		{ "a:" SSHA "\n", false },
		{ "a:{PLAIN}x\nb:" SSHA "\n", false },
		/* Who cannot log in does not count. */
		{ "a:{PLAIN}x\nb:*\nc:\nd:" SSHA "::::::nologin\ne:{NO-SUCH}x\n", true },
		{ "a:*\n", false },
		{ "a:" SSHA "::::::scram-sha-256=broken\n", false },
		{ "a:!" SSHA "::::::scram-sha-256=" PENCIL "\n", false },
	};

	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		load(files[i].text);
		ck_assert_msg(offers_scram() == files[i].offered, "%s", files[i].text);
		ck_assert_uint_eq(auth->mechanisms(auth->self) & (MSV_SASL_PLAIN | MSV_SASL_LOGIN),
		    MSV_SASL_PLAIN | MSV_SASL_LOGIN);
	}
}
END_TEST

START_TEST(scram_logins)
{
	load("ann@example.org:" SSHA "::::::scram-sha-256=" PENCIL " x=y\n"
	     "bob:{SCRAM-SHA-256}" PENCIL "\n"
	     "carol:{PLAIN}p\xc3\xa4nc\xc2\xadil\n"
	     "dave:::::::scram-sha-256=" PENCIL "\n"
	     "erin:{SCRAM-SHA-256}" PENCIL "::::::nologin\n"
	     "frank:{SCRAM-SHA-256}" PENCIL "::::::allow_nets=10.0.0.0/8\n"
	     "gina:{PLAIN.hex}70656e63696c\n");
	ck_assert(offers_scram());
	struct answer a = scram_login(t, auth, "n,,", "Ann@example.org", "pencil");
	ck_assert_int_eq(a.error, 0);
	ck_assert_str_eq(a.account, "ann@example.org");
	ck_assert_str_eq(a.extra, "scram-sha-256=yes;x=y;"); /* the keys are not told */
	ck_assert_int_eq(
	    scram_login(t, auth, "n,,", "ann@example.org", "secret").error, MSV_ERR_AUTH);
	ck_assert_int_eq(try("ann@example.org", "secret"), 0);
	ck_assert_int_eq(scram_login(t, auth, "n,,", "bob", "pencil").error, 0);
	ck_assert_int_eq(try("bob", "pencil"), 0);
	ck_assert_int_eq(scram_login(t, auth, "n,a=BOB,", "bob", "pencil").error, 0);
	ck_assert_int_eq(scram_login(t, auth, "n,a=ann,", "bob", "pencil").error, MSV_ERR_DENIED);
	/* The client prepares the password (SASLprep), so do we. */
	ck_assert_int_eq(scram_login(t, auth, "n,,", "carol", "p\xc3\xa4ncil").error, 0);
	ck_assert_int_eq(scram_login(t, auth, "n,,", "carol", "pencil").error, MSV_ERR_AUTH);
	ck_assert_int_eq(scram_login(t, auth, "n,,", "dave", "pencil").error, 0);
	ck_assert_int_eq(try("dave", "pencil"), 0);
	ck_assert_int_eq(try("dave", "pencils"), MSV_ERR_AUTH);
	ck_assert_int_eq(scram_login(t, auth, "n,,", "erin", "pencil").error, MSV_ERR_DENIED);
	ck_assert_int_eq(scram_login(t, auth, "n,,", "frank", "pencil").error, MSV_ERR_AUTH);
	ck_assert_int_eq(scram_login(t, auth, "n,,", "gina", "pencil").error, 0);
	ck_assert_int_eq(scram_login(t, auth, "n,,", "nobody", "pencil").error, MSV_ERR_AUTH);
}
END_TEST

static bool same_keys(const struct answer *a, const struct answer *b)
{
	return a->keys.iterations == b->keys.iterations && a->keys.salt_len == b->keys.salt_len &&
	       memcmp(a->keys.salt, b->keys.salt, a->keys.salt_len) == 0;
}

START_TEST(scram_invented)
{
	const char *text =
	    "ann:{SCRAM-SHA-256}" PENCIL "\n"
	    "bob:{SCRAM-SHA-256}70000,QUJDREVGR0hJSktM,WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpc"
	    "XkuLmtbsT4qY=,wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=\n"
	    "carol:{PLAIN}pw\n";
	unsigned seen[3] = { 0 };
	struct answer first[40];

	load(text);
	for (int i = 0; i < 40; i++) {
		char name[16];
		snprintf(name, sizeof(name), "nobody%d", i);
		first[i] = scram_keys(t, auth, name);
		struct answer again = scram_keys(t, auth, name);
		ck_assert_int_eq(first[i].error, 0);
		ck_assert(same_keys(&first[i], &again));
		snprintf(name, sizeof(name), "NoBody%d", i);
		again = scram_keys(t, auth, name);
		ck_assert(same_keys(&first[i], &again));
		/* They look like those of somebody there: each kind occurs. */
		if (first[i].keys.iterations == 70000 && first[i].keys.salt_len == 12)
			seen[0]++;
		else if (first[i].keys.iterations == 4096 && first[i].keys.salt_len == 16)
			seen[1]++;
		else
			seen[2]++;
		if (i)
			ck_assert(memcmp(first[i].keys.salt, first[i - 1].keys.salt, 12) != 0);
	}
	ck_assert_uint_gt(seen[0], 5);
	ck_assert_uint_gt(seen[1], 10); /* ann's kind and carol's */
	ck_assert_uint_eq(seen[2], 0);
	/* The same after a restart with the same secret, whatever the order, and
	 * with more accounts of the same kinds. */
	load("carol:{PLAIN}pw\nnew:{PLAIN}pw\n"
	     "bob:{SCRAM-SHA-256}70000,QUJDREVGR0hJSktM,WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpc"
	     "XkuLmtbsT4qY=,wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=\n"
	     "ann:{SCRAM-SHA-256}" PENCIL "\n");
	for (int i = 0; i < 40; i++) {
		char name[16];
		snprintf(name, sizeof(name), "nobody%d", i);
		struct answer again = scram_keys(t, auth, name);
		ck_assert(same_keys(&first[i], &again));
	}
	/* No proof fits, and if one did it would not help. */
	ck_assert_int_eq(scram_result(t, auth, "nobody1", true).error, MSV_ERR_AUTH);
	/* A PLAIN password has one salt for ever. */
	struct answer a = scram_keys(t, auth, "carol"), b = scram_keys(t, auth, "Carol");
	ck_assert(same_keys(&a, &b));
}
END_TEST

/* -- Nobody can tell ------------------------------------------------------------------------ */

/* Which entry a password for the name is checked against. */
static const char *checked(const char *name)
{
	const struct msv_passwd_entry *entry = msv_passwd_checked_entry(auth->self, name);

	return entry ? entry->account.name : NULL;
}

static size_t jobs_of(const char *name)
{
	struct msv_auth_question q = question(name, "guess");
	struct answer a = { 0 };
	struct msv_op *op = msv_op_new(env, on_account, &a);

	auth->verify(auth->self, &q, (struct msv_auth_op){ op });
	size_t jobs = t->njobs;
	msv_test_run(t);
	ck_assert_int_eq(a.error, MSV_ERR_AUTH);
	ck_assert_uint_eq(t->njobs, 0);
	return jobs;
}

START_TEST(one_check_for_everybody)
{
	load("ann:" SSHA "\nbob:{PLAIN}pw\ncarol:*\ndave:\nerin:{SCRAM-SHA-256}" PENCIL "\n"
	     "frank:{NO-SUCH}x\ngina:" SSHA
	     "::::::nologin\nhal:{PLAIN}pw::::::allow_nets=10.0.0.0/8\n");
	static const char *const names[] = { "ann", "bob", "carol", "dave", "erin", "frank", "gina",
		"hal", "nobody", "no@example.org", "", "../x", "\xff" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		ck_assert_uint_eq(jobs_of(names[i]), 1);
		ck_assert_ptr_nonnull(checked(names[i]));
		ck_assert_str_eq(checked(names[i]), checked(names[i]));
	}
	/* Their own, if they have one. */
	ck_assert_str_eq(checked("Ann"), "ann");
	ck_assert_str_eq(checked("bob"), "bob");
	ck_assert_str_eq(checked("gina"), "gina");
	/* For the others every kind there is, SSHA256, PLAIN or SCRAM. */
	unsigned ann = 0, bob = 0, erin = 0;
	for (int i = 0; i < 60; i++) {
		char name[16];
		snprintf(name, sizeof(name), "nobody%d", i);
		const char *other = checked(name);
		ann += strcmp(other, "ann") == 0;
		bob += strcmp(other, "bob") == 0;
		erin += strcmp(other, "erin") == 0;
		/* The password of the other does not help. */
		ck_assert_int_eq(try(name, "pw"), MSV_ERR_AUTH);
		ck_assert_int_eq(try(name, "secret"), MSV_ERR_AUTH);
	}
	ck_assert_uint_eq(ann + bob + erin, 60);
	ck_assert_uint_gt(ann, 5);
	ck_assert_uint_gt(bob, 5);
	ck_assert_uint_gt(erin, 5);
	/* Locked ones do not help either. */
	ck_assert_int_eq(try("carol", "pw"), MSV_ERR_AUTH);
	ck_assert_int_eq(try("dave", ""), MSV_ERR_AUTH);
	/* Nobody has a password: nothing can be told apart. */
	load("ann:*\n");
	ck_assert_uint_eq(jobs_of("ann"), 1);
	ck_assert_uint_eq(jobs_of("nobody"), 1);
	ck_assert_ptr_null(checked("ann"));
}
END_TEST

#ifdef HAVE_CRYPT
static double seconds_of(const char *name)
{
	clock_t start = clock();

	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(try(name, "guess"), MSV_ERR_AUTH);
	return (double)(clock() - start) / CLOCKS_PER_SEC;
}

/* The check of an unknown name really takes its time. */
START_TEST(times)
{
	load("ann:$2b$08$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2\n");
	double known = seconds_of("ann"), unknown = seconds_of("nobody");
	ck_assert_msg(unknown > known / 4 && known > unknown / 4, "%f %f", known, unknown);
	ck_assert_msg(unknown > 0.02, "%f", unknown);
}
END_TEST
#endif

/* -- Canceling and freeing ---------------------------------------------------------------------- */

static struct msv_op *begin(struct answer *a, const char *user, const char *password)
{
	struct msv_auth_question q = question(user, password);
	struct msv_op *op = msv_op_new(env, on_account, a);

	auth->verify(auth->self, &q, (struct msv_auth_op){ op });
	ck_assert_uint_eq(t->njobs, 1);
	return op;
}

static struct msv_op *begin_keys(struct answer *a, const char *user)
{
	struct msv_auth_question q = question(user, NULL);
	struct msv_op *op = msv_op_new(env, on_keys, a);

	auth->scram_keys(auth->self, &q, (struct msv_scram_op){ op });
	ck_assert_uint_eq(t->njobs, 1);
	return op;
}

START_TEST(canceled_under_way)
{
	struct answer a = { 0 };

	load("ann:{PLAIN}pw\n");
	msv_op_cancel(begin(&a, "ann", "pw"));
	msv_test_run(t);
	msv_op_cancel(begin_keys(&a, "ann"));
	msv_test_run(t);
	ck_assert_int_eq(a.calls, 0);
}
END_TEST

START_TEST(freed_under_way)
{
	struct answer a = { 0 }, b = { 0 };

	load("ann:{PLAIN}pw::::/home/ann\n");
	begin(&a, "ann", "pw");
	msv_passwd_free(p);
	p = NULL;
	msv_test_run(t);
	ck_assert_int_eq(a.calls, 1);
	ck_assert_int_eq(a.error, 0);
	ck_assert_str_eq(a.home, "/home/ann");
	load("ann:{PLAIN}pw\n");
	begin_keys(&b, "ann");
	msv_passwd_free(p);
	p = NULL;
	msv_test_run(t);
	ck_assert_int_eq(b.calls, 1);
	ck_assert_int_eq(b.error, 0);
}
END_TEST

START_TEST(reloaded_under_way)
{
	struct answer a = { 0 };

	load("ann:{PLAIN}pw\n");
	begin(&a, "ann", "pw");
	ck_assert_int_eq(msv_passwd_load(p, "passwd", "ann:{PLAIN}other\n", 17), 0);
	msv_test_run(t);
	ck_assert_int_eq(a.error, 0);
	ck_assert_int_eq(try("ann", "pw"), MSV_ERR_AUTH);
}
END_TEST

/* -- No memory --------------------------------------------------------------------------------- */

static int ask_short(int which)
{
	struct answer a = { 0 };
	struct msv_auth_question q = question("ann", "pw");
	struct msv_op *op = msv_op_new(env, which == 1 ? on_keys : on_account, &a);

	if (!op)
		return MSV_ERR_NOMEM;
	if (which == 0)
		auth->verify(auth->self, &q, (struct msv_auth_op){ op });
	else if (which == 1)
		auth->scram_keys(auth->self, &q, (struct msv_scram_op){ op });
	else if (which == 2)
		auth->scram_result(auth->self, &q, true, (struct msv_auth_op){ op });
	else
		auth->lookup(auth->self, "ann", (struct msv_auth_op){ op });
	msv_test_run(t);
	ck_assert_int_eq(a.calls, 1);
	return a.error;
}

START_TEST(no_memory)
{
	load("ann:{PLAIN}pw::::::a=b\n");
	for (int which = 0; which < 4; which++) {
		int error = MSV_ERR_NOMEM;
		for (uint64_t i = 0; error; i++) {
			ck_assert_uint_lt(i, 30);
			msv_test_fail_alloc(t, i, false);
			error = ask_short(which);
			msv_test_fail_alloc(t, UINT64_MAX, false);
			ck_assert(error == 0 || error == MSV_ERR_NOMEM);
		}
	}
}
END_TEST

/* -- Secrets are wiped --------------------------------------------------------------------------- */

/* An allocator that looks into what is given back. */
struct block {
	size_t n;
	max_align_t data[];
};
static const char secret_text[] = "s3cr3t-pw";
static int leaks;

static void *looking_realloc(void *user, void *ptr, size_t n)
{
	struct block *b = ptr ? (struct block *)((char *)ptr - offsetof(struct block, data)) : NULL;

	(void)user;
	if (b && memmem(b->data, b->n, secret_text, strlen(secret_text)))
		leaks++; /* moved or freed with the secret inside */
	if (n == 0) {
		free(b);
		return NULL;
	}
	b = realloc(b, sizeof(*b) + n);
	b->n = n;
	return b->data;
}

static void drain(struct msv_env *e)
{
	while (msv_env_tick(e) == 0)
		;
}

START_TEST(secrets_are_wiped)
{
	struct msv_env_options options = { .size = sizeof(options), .realloc = looking_realloc };
	const char *text = "ann:{PLAIN}s3cr3t-pw\nbob:" SSHA "\n";
	struct msv_auth_question q = question("ann", secret_text);
	struct msv_throttle *throttle;
	struct msv_passwd *mine;
	struct msv_sasl *sasl;
	struct msv_env *e;
	struct answer a = { 0 };
	char *hash, plain[64], encoded[128];

	leaks = 0;
	ck_assert_int_eq(msv_env_new(&options, &e), 0);
	ck_assert_int_eq(msv_passwd_new(e, NULL, &mine), 0);
	ck_assert_int_eq(msv_passwd_load(mine, "passwd", text, strlen(text)), 0);
	ck_assert_int_eq(msv_throttle_new(e, msv_passwd_auth(mine), NULL, &throttle), 0);
	const struct msv_auth *source = msv_throttle_auth(throttle);
	source->verify(source->self, &q, (struct msv_auth_op){ msv_op_new(e, on_account, &a) });
	drain(e);
	ck_assert_int_eq(a.calls, 1);
	ck_assert_int_eq(a.error, 0);
	a = (struct answer){ 0 };
	source->scram_keys(source->self, &q, (struct msv_scram_op){ msv_op_new(e, on_keys, &a) });
	drain(e);
	ck_assert_int_eq(a.calls, 1);
	/* An exchange that is given up. */
	ck_assert_int_eq(msv_sasl_new(e, source, "PLAIN", &q, &sasl), 0);
	memcpy(plain, "\0ann\0", 5);
	strcpy(plain + 5, secret_text);
	msv_base64_encode(plain, 5 + strlen(secret_text), encoded);
	msv_sasl_step(
	    sasl, encoded, strlen(encoded), (struct msv_sasl_op){ msv_op_new(e, on_sasl, &a) });
	msv_sasl_free(sasl);
	drain(e);
	/* Hashing and checking. */
	ck_assert_int_eq(msv_password_hash(e, "SCRAM-SHA-256", secret_text, &hash), 0);
	ck_assert_int_eq(msv_password_check(e, hash, secret_text), 0);
	msv_env_realloc(e, hash, 0);
	ck_assert_int_eq(msv_password_hash(e, NULL, secret_text, &hash), 0);
	ck_assert_int_eq(msv_password_check(e, hash, secret_text), 0);
	msv_env_realloc(e, hash, 0);
	ck_assert_int_eq(leaks, 0);
	/* The one that must leak shows that the looking works. */
	ck_assert_int_eq(msv_password_hash(e, "PLAIN", secret_text, &hash), 0);
	ck_assert_int_eq(leaks, 0);
	msv_env_realloc(e, hash, 0);
	ck_assert_int_eq(leaks, 1);
	ck_assert_int_eq(msv_passwd_load(mine, "passwd", "ann:{PLAIN}x\n", 13), 0);
	msv_throttle_free(throttle);
	msv_passwd_free(mine);
	msv_env_free(e);
	ck_assert_int_eq(leaks, 1);
}
END_TEST

int main(void)
{
	const TTest *tests[] = { verify, authzid, nologin, allow_nets, allow_nets_items, nopassword,
		scram_offered, scram_logins, scram_invented, one_check_for_everybody,
#ifdef HAVE_CRYPT
		times,
#endif
		canceled_under_way, freed_under_way, reloaded_under_way, no_memory,
		secrets_are_wiped, NULL };

	return auth_main_run("passwd_auth", setup, teardown, tests);
}
