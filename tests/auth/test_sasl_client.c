/* The client's side of SASL: PLAIN, LOGIN and SCRAM-SHA-256 with the example of
 * RFC 7677; servers that do not keep to it. */
#include <mailserv/auth.h>
#include <mailserv/testing.h>
#include <stdio.h>
#include <string.h>

#include "auth/auth.h"
#include "check_main.h"

static struct msv_test_env *test;
static struct msv_env *env;
static struct msv_sasl_client *client;
static char said[2048]; /* the last answer, decoded; "error N" */

static void setup(void)
{
	ck_assert_int_eq(msv_test_env_new(0, &test), 0);
	env = msv_test_env(test);
	client = NULL;
}

static void teardown(void)
{
	msv_sasl_client_free(client);
	msv_test_run(test);
	ck_assert_uint_eq(msv_test_env_free(test), 0);
}

static void on_reply(void *user, int error, const void *result)
{
	const struct msv_sasl_reply *reply = result;
	size_t n = 0;

	(void)user;
	if (error)
		snprintf(said, sizeof(said), "error %d", error);
	else if (!reply->text)
		snprintf(said, sizeof(said), "nothing");
	else
		ck_assert_int_eq(
		    msv_base64_decode(reply->text, strlen(reply->text), (uint8_t *)said, &n), 0);
	if (!error && reply->text) {
		for (size_t i = 0; i < n; i++)
			said[i] = said[i] ? said[i] : '|';
		said[n] = '\0';
	}
}

/* Takes a step with a challenge that is not encoded yet; NULL: the first. */
static const char *step(const char *challenge)
{
	char text[2048];
	struct msv_op *op = msv_op_new(env, on_reply, NULL);

	said[0] = '\0';
	if (challenge)
		msv_base64_encode(challenge, strlen(challenge), text);
	msv_sasl_client_step(client, challenge ? text : NULL, challenge ? strlen(text) : 0,
	    (struct msv_sasl_client_op){ op });
	msv_test_run(test);
	return said;
}

static void begin(const char *offered, const char *user, const char *password)
{
	msv_sasl_client_free(client);
	client = NULL;
	ck_assert_int_eq(msv_sasl_client_new(env, offered, user, password, &client), 0);
}

START_TEST(choice)
{
	begin("NTLM LOGIN plain scram-sha-256", "u", "p");
	ck_assert_str_eq(msv_sasl_client_mechanism(client), "SCRAM-SHA-256");
	begin("LOGIN  PLAIN", "u", "p");
	ck_assert_str_eq(msv_sasl_client_mechanism(client), "PLAIN");
	begin("XLOGIN LOGIN", "u", "p");
	ck_assert_str_eq(msv_sasl_client_mechanism(client), "LOGIN");
	struct msv_sasl_client *none;
	ck_assert_int_eq(
	    msv_sasl_client_new(env, "LOGINS PLAI", "u", "p", &none), MSV_ERR_UNSUPPORTED);
	ck_assert_int_eq(msv_sasl_client_new(env, "", "u", "p", &none), MSV_ERR_UNSUPPORTED);
}
END_TEST

START_TEST(plain)
{
	begin("PLAIN", "tim", "tanstaaf");
	ck_assert_str_eq(step(NULL), "|tim|tanstaaf");
	ck_assert_int_eq(msv_sasl_client_finish(client), 0);
	ck_assert_str_eq(step("more"), "error -9");
}
END_TEST

START_TEST(login)
{
	begin("LOGIN", "tim", "tanstaaf");
	ck_assert_str_eq(step(NULL), "nothing");
	ck_assert_str_eq(step("Username:"), "tim");
	ck_assert_str_eq(step("Kennwort?"), "tanstaaf");
	ck_assert_int_eq(msv_sasl_client_finish(client), 0);
	ck_assert_str_eq(step("again?"), "error -9");
}
END_TEST

/* RFC 7677 3. */
#define SERVER_FIRST \
	"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"

static void begin_scram(void)
{
	begin("SCRAM-SHA-256", "user", "pencil");
	strcpy(client->nonce, "rOprNGfwEbeRWgbNEkqO");
	ck_assert_str_eq(step(NULL), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
	ck_assert_int_eq(msv_sasl_client_finish(client), MSV_ERR_AUTH);
}

START_TEST(scram)
{
	begin_scram();
	ck_assert_str_eq(step(SERVER_FIRST),
	    "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
	    "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
	ck_assert_str_eq(step("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="), "");
	ck_assert_int_eq(msv_sasl_client_finish(client), 0);
}
END_TEST

START_TEST(scram_liars)
{
	static const struct {
		const char *first, *answer;
	} firsts[] = {
		{ "", "error -9" },
		{ "r=other,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", "error -9" },
		{ "r=rOprNGfwEbeRWgbNEkqO,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", "error -9" },
		{ "r=rOprNGfwEbeRWgbNEkqOx,s=,i=4096", "error -9" },
		{ "r=rOprNGfwEbeRWgbNEkqOx,s=W22Z,i=", "error -9" },
		{ "r=rOprNGfwEbeRWgbNEkqOx,s=W22Z,i=0", "error -9" },
		{ "r=rOprNGfwEbeRWgbNEkqOx,s=W22Z,i=-1", "error -9" },
		{ "r=rOprNGfwEbeRWgbNEkqOx,s=W22Z,i=1000001", "error -8" },
		{ "r=rOprNGfwEbeRWgbNEkqOx,s=W22Z,i=99999999999999999999", "error -8" },
		{ "m=x,r=rOprNGfwEbeRWgbNEkqOx,s=W22Z,i=1", "error -9" },
		{ "e=other-error", "error -9" },
	};

	for (size_t i = 0; i < sizeof(firsts) / sizeof(firsts[0]); i++) {
		begin_scram();
		ck_assert_str_eq(step(firsts[i].first), firsts[i].answer);
		ck_assert_int_eq(msv_sasl_client_finish(client), MSV_ERR_AUTH);
	}
	begin_scram();
	step(SERVER_FIRST);
	ck_assert_str_eq(step("v=AAAATRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="), "error -13");
	begin_scram();
	step(SERVER_FIRST);
	ck_assert_str_eq(step("e=invalid-proof"), "error -13");
	ck_assert_int_eq(msv_sasl_client_finish(client), MSV_ERR_AUTH);
}
END_TEST

/* RFC 5802 5.1: commas and equals signs. */
START_TEST(scram_names)
{
	begin("SCRAM-SHA-256", "a,b=c", "p");
	ck_assert_ptr_nonnull(strstr(step(NULL), "n,,n=a=2Cb=3Dc,r="));
}
END_TEST

/* Against the server's side, over all mechanisms. */
static void on_server(void *user, int error, const void *result)
{
	const struct msv_sasl_result *r = result;
	char *challenge = user;

	ck_assert_int_eq(error, 0);
	snprintf(challenge, 1024, "%s", r->challenge ? r->challenge : "");
	if (r->account)
		snprintf(challenge, 1024, "in as %s", r->account->name);
}

static char sent[1024];

static void on_sent(void *user, int error, const void *result)
{
	const struct msv_sasl_reply *reply = result;

	(void)user;
	ck_assert_int_eq(error, 0);
	snprintf(sent, sizeof(sent), "%s", reply->text ? reply->text : "none");
}

START_TEST(with_our_server)
{
	static const char *const users[] = { "j\xc3\xb6rg,=", "p\xc3\xa4ssword,=", NULL };
	static const char *const mechanisms[] = { "SCRAM-SHA-256", "PLAIN", "LOGIN" };
	struct msv_auth_question question = { .size = sizeof(question), .service = "smtp" };
	const struct msv_auth *auth = msv_test_auth(test, users);

	for (size_t i = 0; i < 3; i++) {
		struct msv_sasl *server;
		char challenge[1024] = "";
		bool first = true;
		begin(mechanisms[i], users[0], users[1]);
		ck_assert_int_eq(msv_sasl_new(env, auth, mechanisms[i], &question, &server), 0);
		for (int steps = 0; steps < 5 && strncmp(challenge, "in as", 5) != 0; steps++) {
			msv_sasl_client_step(client, first ? NULL : challenge, strlen(challenge),
			    (struct msv_sasl_client_op){ msv_op_new(env, on_sent, NULL) });
			msv_test_run(test);
			bool none = strcmp(sent, "none") == 0;
			msv_sasl_step(server,
			    none              ? NULL
			    : *sent || !first ? sent
			                      : "=",
			    none ? 0 : strlen(sent),
			    (struct msv_sasl_op){ msv_op_new(env, on_server, challenge) });
			msv_test_run(test);
			first = false;
		}
		ck_assert_str_eq(challenge, "in as j\xc3\xb6rg,=");
		ck_assert_int_eq(msv_sasl_client_finish(client), 0);
		msv_sasl_free(server);
	}
}
END_TEST

/* Freed while keys are derived. */
START_TEST(freed_early)
{
	char text[512];

	begin_scram();
	msv_base64_encode(SERVER_FIRST, strlen(SERVER_FIRST), text);
	said[0] = '\0';
	msv_sasl_client_step(client, text, strlen(text),
	    (struct msv_sasl_client_op){ msv_op_new(env, on_reply, NULL) });
	msv_sasl_client_free(client);
	client = NULL;
	msv_test_run(test);
	ck_assert_str_eq(said, "error -11");
}
END_TEST

START_TEST(no_memory)
{
	for (uint64_t i = 0; i < 40; i++) {
		struct msv_sasl_client *c = NULL;
		msv_test_fail_alloc(test, i, false);
		int error = msv_sasl_client_new(env, "SCRAM-SHA-256", "user", "pencil", &c);
		ck_assert(error == 0 || error == MSV_ERR_NOMEM);
		client = c;
		const char *challenges[] = { NULL, SERVER_FIRST };
		for (size_t k = 0; k < 2 && c; k++) {
			struct msv_op *op = msv_op_new(env, on_reply, NULL);
			char text[512];
			if (k == 1)
				strcpy(c->nonce, "rOprNGfwEbeRWgbNEkqO");
			msv_base64_encode(SERVER_FIRST, strlen(SERVER_FIRST), text);
			if (op)
				msv_sasl_client_step(c, challenges[k] ? text : NULL, strlen(text),
				    (struct msv_sasl_client_op){ op });
			msv_test_run(test);
		}
		msv_test_fail_alloc(test, UINT64_MAX, false);
		msv_sasl_client_free(client);
		client = NULL;
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("auth/sasl_client");

	check_fixture_case(s, "mechanisms", setup, teardown, choice, plain, login, scram,
	    scram_liars, scram_names, with_our_server, freed_early, no_memory);
	return check_main(s);
}
