/* Exchanges: the mechanisms, what they refuse, and canceling. */
#include "auth_test.h"

static struct msv_test_env *t;
static const struct msv_auth *auth;

static void setup(void)
{
	static const char *const users[] = { "tim", "tanstaaftanstaaf", "a,b=c", "pencil", NULL };

	ck_assert_int_eq(msv_test_env_new(0, &t), 0);
	auth = msv_test_auth(t, users);
	ck_assert_ptr_nonnull(auth);
}

static void teardown(void)
{
	ck_assert_uint_eq(msv_test_env_free(t), 0);
}

static struct msv_sasl *start(const char *mechanism)
{
	struct msv_sasl *sasl;

	ck_assert_int_eq(sasl_start(t, auth, mechanism, &sasl), 0);
	return sasl;
}

#define ZSTR(s) (s), sizeof(s) - 1

/* -- The list -------------------------------------------------------------------- */

static unsigned only_bits;
static unsigned only_mechanisms(void *self)
{
	(void)self;
	return only_bits;
}

START_TEST(list)
{
	char buf[64];
	struct msv_auth part = *auth;

	msv_sasl_list(auth, buf, sizeof(buf));
	ck_assert_str_eq(buf, "SCRAM-SHA-256 PLAIN LOGIN");
	msv_sasl_list(NULL, buf, sizeof(buf));
	ck_assert_str_eq(buf, "");
	msv_sasl_list(auth, buf, 14); /* no half names */
	ck_assert_str_eq(buf, "SCRAM-SHA-256");
	part.scram_result = NULL;
	msv_sasl_list(&part, buf, sizeof(buf));
	ck_assert_str_eq(buf, "PLAIN LOGIN");
	part = *auth;
	part.verify = NULL;
	msv_sasl_list(&part, buf, sizeof(buf));
	ck_assert_str_eq(buf, "SCRAM-SHA-256");
	part = *auth;
	part.mechanisms = only_mechanisms;
	only_bits = MSV_SASL_PLAIN;
	msv_sasl_list(&part, buf, sizeof(buf));
	ck_assert_str_eq(buf, "PLAIN");
	struct msv_sasl *sasl;
	ck_assert_int_eq(sasl_start(t, &part, "SCRAM-SHA-256", &sasl), MSV_ERR_UNSUPPORTED);
	ck_assert_int_eq(sasl_start(t, &part, "LOGIN", &sasl), MSV_ERR_UNSUPPORTED);
	ck_assert_int_eq(sasl_start(t, &part, "plain", &sasl), 0);
	msv_sasl_free(sasl);
	ck_assert_int_eq(sasl_start(t, auth, "CRAM-MD5", &sasl), MSV_ERR_UNSUPPORTED);
	ck_assert_int_eq(sasl_start(t, auth, "", &sasl), MSV_ERR_UNSUPPORTED);
	msv_sasl_free(NULL);
}
END_TEST

/* -- PLAIN ------------------------------------------------------------------------- */

static struct answer plain(const char *p, size_t n)
{
	struct msv_sasl *sasl = start("PLAIN");
	struct answer a = step_bytes(t, sasl, p, n);

	msv_sasl_free(sasl);
	return a;
}

START_TEST(plain_right)
{
	struct answer a = plain(ZSTR("\0tim\0tanstaaftanstaaf"));

	ck_assert_int_eq(a.error, 0);
	ck_assert_str_eq(a.account, "tim");
	a = plain(ZSTR("tim\0tim\0tanstaaftanstaaf"));
	ck_assert_int_eq(a.error, 0);

	struct msv_sasl *sasl = start("PLAIN");
	a = step_raw(t, sasl, NULL);
	ck_assert(a.has_challenge);
	ck_assert_str_eq(a.challenge, "");
	a = step_bytes(t, sasl, ZSTR("\0tim\0tanstaaftanstaaf"));
	ck_assert_str_eq(a.account, "tim");
	/* It is over. */
	ck_assert_int_eq(step_raw(t, sasl, "").error, MSV_ERR_INVAL);
	msv_sasl_free(sasl);
}
END_TEST

START_TEST(plain_wrong)
{
	ck_assert_int_eq(plain(ZSTR("\0tim\0wrong")).error, MSV_ERR_AUTH);
	ck_assert_int_eq(plain(ZSTR("\0nobody\0wrong")).error, MSV_ERR_AUTH);
	ck_assert_int_eq(plain(ZSTR("Ursel\0tim\0tanstaaftanstaaf")).error, MSV_ERR_DENIED);
}
END_TEST

START_TEST(plain_malformed)
{
	ck_assert_int_eq(plain(ZSTR("")).error, MSV_ERR_FORMAT);
	ck_assert_int_eq(plain(ZSTR("tim")).error, MSV_ERR_FORMAT);
	ck_assert_int_eq(plain(ZSTR("\0tim")).error, MSV_ERR_FORMAT);
	ck_assert_int_eq(plain(ZSTR("\0tim\0")).error, MSV_ERR_FORMAT);
	ck_assert_int_eq(plain(ZSTR("\0\0tanstaaftanstaaf")).error, MSV_ERR_FORMAT);
	ck_assert_int_eq(plain(ZSTR("\0tim\0tanstaaf\0tanstaaf")).error, MSV_ERR_FORMAT);
	ck_assert_int_eq(plain(ZSTR("\0tim\0tanstaaftanstaaf\0")).error, MSV_ERR_FORMAT);
	ck_assert_int_eq(plain(ZSTR("\0t\xffm\0tanstaaftanstaaf")).error, MSV_ERR_FORMAT);
	ck_assert_int_eq(plain(ZSTR("\xc3\0tim\0tanstaaftanstaaf")).error, MSV_ERR_FORMAT);
}
END_TEST

/* A source that minds no authzid gives nobody else's account. */
static void careless_verify(void *self, const struct msv_auth_question *q, struct msv_auth_op op)
{
	const struct msv_auth *inner = self;
	struct msv_auth_question without = *q;

	without.authzid = NULL;
	inner->verify(inner->self, &without, op);
}

START_TEST(careless_source)
{
	struct msv_auth careless = { .size = sizeof(careless), .self = (void *)auth };
	struct msv_sasl *sasl;

	careless.verify = careless_verify;
	ck_assert_int_eq(sasl_start(t, &careless, "PLAIN", &sasl), 0);
	struct answer a = step_bytes(t, sasl, ZSTR("boss\0tim\0tanstaaftanstaaf"));
	ck_assert_int_eq(a.error, MSV_ERR_DENIED);
	msv_sasl_free(sasl);
	ck_assert_int_eq(sasl_start(t, &careless, "PLAIN", &sasl), 0);
	a = step_bytes(t, sasl, ZSTR("TIM\0tim\0tanstaaftanstaaf"));
	ck_assert_int_eq(a.error, 0);
	msv_sasl_free(sasl);
}
END_TEST

/* -- Base64, "=" and "*" -------------------------------------------------------------- */

START_TEST(not_base64)
{
	static const char *const bad[] = { "!", "AHRpbQ", "AHRpbQ==x", "AHRp\r", "====", "AA=A" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct msv_sasl *sasl = start("PLAIN");
		ck_assert_msg(step_raw(t, sasl, bad[i]).error == MSV_ERR_FORMAT, "%s", bad[i]);
		ck_assert_int_eq(step_raw(t, sasl, "").error, MSV_ERR_INVAL);
		msv_sasl_free(sasl);
	}
}
END_TEST

START_TEST(equals_and_star)
{
	struct msv_sasl *sasl = start("PLAIN");
	ck_assert_int_eq(step_raw(t, sasl, "=").error, MSV_ERR_FORMAT); /* empty: no PLAIN */
	msv_sasl_free(sasl);

	sasl = start("LOGIN");
	ck_assert_int_eq(step_raw(t, sasl, NULL).error, 0);
	ck_assert_int_eq(step_raw(t, sasl, "=").error, MSV_ERR_FORMAT); /* no initial one */
	msv_sasl_free(sasl);

	sasl = start("PLAIN");
	ck_assert_int_eq(step_raw(t, sasl, NULL).error, 0);
	ck_assert_int_eq(step_raw(t, sasl, "*").error, MSV_ERR_CANCELED);
	ck_assert_int_eq(step_raw(t, sasl, "*").error, MSV_ERR_INVAL);
	msv_sasl_free(sasl);
}
END_TEST

START_TEST(much_too_long)
{
	size_t n = 1 << 20;
	char *text = malloc(n);
	struct answer a = { 0 };
	struct msv_sasl *sasl = start("PLAIN");
	struct msv_op *op = msv_op_new(msv_test_env(t), on_sasl, &a);

	memset(text, 'A', n);
	size_t before = msv_test_memory(t);
	msv_sasl_step(sasl, text, n, (struct msv_sasl_op){ op });
	ck_assert_uint_lt(msv_test_memory_peak(t), before + 65536);
	msv_test_run(t);
	ck_assert_int_eq(a.error, MSV_ERR_FORMAT);
	msv_sasl_free(sasl);
	free(text);
}
END_TEST

/* -- LOGIN -------------------------------------------------------------------------------- */

START_TEST(login_dialogue)
{
	struct msv_sasl *sasl = start("login");

	ck_assert_str_eq(step_raw(t, sasl, NULL).challenge, "Username:");
	ck_assert_str_eq(step(t, sasl, "tim").challenge, "Password:");
	struct answer a = step(t, sasl, "tanstaaftanstaaf");
	ck_assert_int_eq(a.error, 0);
	ck_assert_str_eq(a.account, "tim");
	msv_sasl_free(sasl);

	sasl = start("LOGIN");
	ck_assert_str_eq(step(t, sasl, "tim").challenge, "Password:");
	ck_assert_int_eq(step(t, sasl, "wrong").error, MSV_ERR_AUTH);
	msv_sasl_free(sasl);
}
END_TEST

START_TEST(login_malformed)
{
	struct msv_sasl *sasl = start("LOGIN");
	ck_assert_int_eq(step_raw(t, sasl, "=").error, MSV_ERR_FORMAT);
	msv_sasl_free(sasl);

	sasl = start("LOGIN");
	ck_assert_int_eq(step_bytes(t, sasl, ZSTR("t\0m")).error, MSV_ERR_FORMAT);
	msv_sasl_free(sasl);

	sasl = start("LOGIN");
	ck_assert_int_eq(step(t, sasl, "tim").error, 0);
	ck_assert_int_eq(step(t, sasl, "").error, MSV_ERR_FORMAT);
	msv_sasl_free(sasl);

	sasl = start("LOGIN");
	ck_assert_int_eq(step(t, sasl, "tim").error, 0);
	ck_assert_int_eq(step_bytes(t, sasl, ZSTR("tans\0")).error, MSV_ERR_FORMAT);
	msv_sasl_free(sasl);
}
END_TEST

/* -- SCRAM ----------------------------------------------------------------------------------- */

/* The example of RFC 7677 3, with its own nonce and salt. */
static int rfc_random(void *user, void *p, size_t n)
{
	static const char nonce[] = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";

	(void)user;
	for (size_t i = 0; i < n; i++) {
		char c = nonce[i % (sizeof(nonce) - 1)];
		((uint8_t *)p)[i] = (uint8_t)(c - (c > ',') - 0x21);
	}
	return 0;
}

static void rfc_keys(void *self, const struct msv_auth_question *q, struct msv_scram_op op)
{
	struct msv_scram_value v = { .iterations = 4096 };

	(void)self;
	ck_assert_str_eq(q->user, "user");
	ck_assert_int_eq(msv_base64_decode("W22ZaJ0SNY7soEsUEjb6gQ==", 24, v.salt, &v.salt_len), 0);
	ck_assert_int_eq(msv_scram_derive(MSV_SHA256, "pencil", &v), 0);
	msv_scram_answer(op, &(struct msv_scram_keys){ sizeof(struct msv_scram_keys), v.iterations,
	                         v.salt, v.salt_len, v.stored_key, v.server_key });
}

static void rfc_result(
    void *self, const struct msv_auth_question *q, bool proof_ok, struct msv_auth_op op)
{
	(void)self;
	if (proof_ok)
		msv_auth_answer(op,
		    &(struct msv_account){ .size = sizeof(struct msv_account), .name = q->user });
	else
		msv_op_answer(op.op, MSV_ERR_AUTH);
}

static unsigned rfc_mechanisms(void *self)
{
	(void)self;
	return MSV_SASL_SCRAM_SHA_256;
}

static const struct msv_auth rfc_auth = { .size = sizeof(rfc_auth),
	.mechanisms = rfc_mechanisms,
	.scram_keys = rfc_keys,
	.scram_result = rfc_result };

static struct answer env_step(struct msv_env *env, struct msv_sasl *sasl, const char *message)
{
	char text[512];
	struct answer a = { 0 };
	struct msv_op *op = msv_op_new(env, on_sasl, &a);

	msv_base64_encode(message, strlen(message), text);
	msv_sasl_step(sasl, text, strlen(text), (struct msv_sasl_op){ op });
	while (msv_env_tick(env) == 0)
		;
	ck_assert_int_eq(a.calls, 1);
	return a;
}

START_TEST(scram_rfc7677)
{
	struct msv_env_options options = { .size = sizeof(options), .random = rfc_random };
	struct msv_auth_question q = question(NULL, NULL);
	struct msv_env *env;
	struct msv_sasl *sasl;

	ck_assert_int_eq(msv_env_new(&options, &env), 0);
	ck_assert_int_eq(msv_sasl_new(env, &rfc_auth, "SCRAM-SHA-256", &q, &sasl), 0);
	struct answer a = env_step(env, sasl, "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
	ck_assert_str_eq(a.challenge, "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
	                              "s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
	a = env_step(env, sasl,
	    "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
	    "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
	ck_assert_int_eq(a.error, 0);
	ck_assert_str_eq(a.challenge, "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
	a = env_step(env, sasl, "");
	ck_assert_str_eq(a.account, "user");
	msv_sasl_free(sasl);
	msv_env_free(env);
}
END_TEST

START_TEST(scram_right_and_wrong)
{
	struct answer a = scram_login(t, auth, "n,,", "tim", "tanstaaftanstaaf");

	ck_assert_int_eq(a.error, 0);
	ck_assert_str_eq(a.account, "tim");
	ck_assert_int_eq(scram_login(t, auth, "y,,", "tim", "tanstaaftanstaaf").error, 0);
	ck_assert_int_eq(scram_login(t, auth, "n,a=tim,", "tim", "tanstaaftanstaaf").error, 0);
	ck_assert_int_eq(
	    scram_login(t, auth, "n,a=boss,", "tim", "tanstaaftanstaaf").error, MSV_ERR_DENIED);
	ck_assert_int_eq(scram_login(t, auth, "n,,", "tim", "wrong").error, MSV_ERR_AUTH);
	ck_assert_int_eq(scram_login(t, auth, "n,,", "nobody", "wrong").error, MSV_ERR_AUTH);
	a = scram_login(t, auth, "n,,", "a=2Cb=3Dc", "pencil");
	ck_assert_int_eq(a.error, 0);
	ck_assert_str_eq(a.account, "a,b=c");
}
END_TEST

START_TEST(scram_first_malformed)
{
	static const char *const bad[] = {
		"",
		"n",
		"n,",
		"n,,",
		"x,,n=tim,r=abc",
		"p=tls-unique,,n=tim,r=abc", /* no channel binding here */
		"p=tls-exporter,a=tim,n=tim,r=abc",
		"N,,n=tim,r=abc",
		"n,tim,n=tim,r=abc",
		"n,a=,n=tim,r=abc",
		"n,a=tim",
		"n,,m=ext,n=tim,r=abc", /* reserved-mext */
		"n,,r=abc,n=tim",
		"n,,n=tim",
		"n,,n=tim,",
		"n,,n=tim,r=",
		"n,,n=,r=abc",
		"n,,n=t=2cm,r=abc",
		"n,,n=t=,r=abc",
		"n,,n=t=3,r=abc",
		"n,a=t=4D,n=tim,r=abc",
		"n,,n=tim,r=a b",
		"n,,n=tim,r=a\x01",
		"n,,n=tim,r=a\xc3\xa4",
		"n,,n=t\xff,r=abc",
		"n,,n=tim,x=1,r=abc",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct msv_sasl *sasl = start("SCRAM-SHA-256");
		ck_assert_msg(step(t, sasl, bad[i]).error == MSV_ERR_FORMAT, "%s", bad[i]);
		msv_sasl_free(sasl);
	}
	struct msv_sasl *sasl = start("SCRAM-SHA-256");
	ck_assert_int_eq(step_bytes(t, sasl, ZSTR("n,,n=t\0m,r=abc")).error, MSV_ERR_FORMAT);
	msv_sasl_free(sasl);

	char lengthy[1024] = "n,,n=tim,r=";
	memset(lengthy + 11, 'x', 600);
	sasl = start("SCRAM-SHA-256");
	ck_assert_int_eq(step(t, sasl, lengthy).error, MSV_ERR_FORMAT);
	msv_sasl_free(sasl);

	/* An unknown extension is ignored. */
	sasl = start("SCRAM-SHA-256");
	ck_assert_int_eq(step(t, sasl, "n,,n=tim,r=abc,x=1").error, 0);
	msv_sasl_free(sasl);
}
END_TEST

/* Plays up to the final message, which `edit` changes. */
static struct answer final_edited(void (*edit)(char *final), bool finish)
{
	const char *bare = "n=tim,r=rOprNGfwEbeRWgbNEkqO";
	char final[2048], signature[64];
	struct msv_sasl *sasl = start("SCRAM-SHA-256");
	struct answer a = step(t, sasl, "n,,n=tim,r=rOprNGfwEbeRWgbNEkqO");

	ck_assert_int_eq(a.error, 0);
	scram_client_final(
	    "n,,", bare, a.challenge, "tanstaaftanstaaf", final, sizeof(final), signature);
	edit(final);
	a = step(t, sasl, final);
	if (finish && !a.error)
		a = step(t, sasl, "");
	msv_sasl_free(sasl);
	return a;
}

static void edit_nothing(char *final)
{
	(void) final;
}

static void edit_binding(char *final)
{
	memcpy(final, "c=eSws", 6); /* "y,," */
}

static void edit_binding_data(char *final)
{
	char copy[2048];

	strcpy(copy, final + 6);
	sprintf(final, "c=biwseHh4%s", copy); /* "n,,xxx" */
}

static void edit_nonce(char *final)
{
	char *comma = strstr(final, ",p=");

	comma[-1] = comma[-1] == 'x' ? 'y' : 'x';
}

static void edit_nonce_short(char *final)
{
	char *comma = strstr(final, ",p=");

	memmove(comma - 1, comma, strlen(comma) + 1);
}

static void edit_proof(char *final)
{
	char *p = strstr(final, ",p=") + 3;

	*p = *p == 'A' ? 'B' : 'A';
}

static void edit_no_proof(char *final)
{
	*strstr(final, ",p=") = '\0';
}

static void edit_short_proof(char *final)
{
	strcpy(strstr(final, ",p=") + 3, "AAAA");
}

static void edit_more(char *final)
{
	strcat(final, ",x=1");
}

static void edit_comma(char *final)
{
	strcat(final, ",");
}

static void edit_mandatory(char *final)
{
	char *p = strstr(final, ",p="), copy[128];

	strcpy(copy, p);
	sprintf(p, ",m=x%s", copy);
}

static void edit_order(char *final)
{
	memcpy(final, "r", 1);
}

static void edit_empty(char *final)
{
	*final = '\0';
}

START_TEST(scram_final)
{
	ck_assert_int_eq(final_edited(edit_nothing, true).error, 0);
	ck_assert_int_eq(final_edited(edit_binding, true).error, MSV_ERR_AUTH);
	ck_assert_int_eq(final_edited(edit_binding_data, true).error, MSV_ERR_AUTH);
	ck_assert_int_eq(final_edited(edit_nonce, true).error, MSV_ERR_AUTH);
	ck_assert_int_eq(final_edited(edit_nonce_short, true).error, MSV_ERR_AUTH);
	ck_assert_int_eq(final_edited(edit_proof, true).error, MSV_ERR_AUTH);
	ck_assert_int_eq(final_edited(edit_no_proof, true).error, MSV_ERR_FORMAT);
	ck_assert_int_eq(final_edited(edit_short_proof, true).error, MSV_ERR_FORMAT);
	ck_assert_int_eq(final_edited(edit_more, true).error, MSV_ERR_FORMAT);
	ck_assert_int_eq(final_edited(edit_comma, true).error, MSV_ERR_FORMAT);
	ck_assert_int_eq(final_edited(edit_mandatory, true).error, MSV_ERR_FORMAT);
	ck_assert_int_eq(final_edited(edit_order, true).error, MSV_ERR_FORMAT);
	ck_assert_int_eq(final_edited(edit_empty, true).error, MSV_ERR_FORMAT);
}
END_TEST

/* The right proof does not help when the nonce or binding was changed with it. */
START_TEST(scram_replayed_nonce)
{
	const char *bare = "n=tim,r=abc";
	char final[2048], other[2048], signature[64];
	struct msv_sasl *sasl = start("SCRAM-SHA-256");
	struct answer a = step(t, sasl, "n,,n=tim,r=abc");

	strcpy(other, a.challenge);
	other[8] = other[8] == 'x' ? 'y' : 'x';
	scram_client_final("n,,", bare, other, "tanstaaftanstaaf", final, sizeof(final), signature);
	ck_assert_int_eq(step(t, sasl, final).error, MSV_ERR_AUTH);
	msv_sasl_free(sasl);

	sasl = start("SCRAM-SHA-256");
	a = step(t, sasl, "n,,n=tim,r=abc");
	scram_client_final(
	    "y,,", bare, a.challenge, "tanstaaftanstaaf", final, sizeof(final), signature);
	ck_assert_int_eq(step(t, sasl, final).error, MSV_ERR_AUTH);
	msv_sasl_free(sasl);
}
END_TEST

START_TEST(scram_after_signature)
{
	const char *bare = "n=tim,r=abc";
	char final[2048], signature[64];
	struct msv_sasl *sasl = start("SCRAM-SHA-256");
	struct answer a = step(t, sasl, "n,,n=tim,r=abc");

	scram_client_final(
	    "n,,", bare, a.challenge, "tanstaaftanstaaf", final, sizeof(final), signature);
	ck_assert_str_eq(step(t, sasl, final).challenge, signature);
	ck_assert_int_eq(step(t, sasl, "what?").error, MSV_ERR_FORMAT);
	msv_sasl_free(sasl);

	sasl = start("SCRAM-SHA-256");
	a = step(t, sasl, "n,,n=tim,r=abc");
	scram_client_final(
	    "n,,", bare, a.challenge, "tanstaaftanstaaf", final, sizeof(final), signature);
	ck_assert_str_eq(step(t, sasl, final).challenge, signature);
	ck_assert_int_eq(step_raw(t, sasl, "*").error, MSV_ERR_CANCELED);
	msv_sasl_free(sasl);
}
END_TEST

START_TEST(scram_nonces_differ)
{
	struct msv_sasl *sasl = start("SCRAM-SHA-256");
	struct answer a = step(t, sasl, "n,,n=tim,r=abc");
	msv_sasl_free(sasl);
	sasl = start("SCRAM-SHA-256");
	struct answer b = step(t, sasl, "n,,n=tim,r=abc");
	msv_sasl_free(sasl);
	ck_assert_str_ne(a.challenge, b.challenge);
	ck_assert_int_eq(strncmp(a.challenge, "r=abc", 5), 0);
}
END_TEST

/* -- Late answers, canceling, freeing -------------------------------------------------------- */

/* A source that keeps its op. */
static struct msv_auth_op kept;
static int kept_canceled;

static void kept_on_cancel(void *user)
{
	(void)user;
	kept_canceled++;
}

static void late_verify(void *self, const struct msv_auth_question *q, struct msv_auth_op op)
{
	(void)self;
	(void)q;
	kept = op;
	kept_canceled = 0;
	msv_op_on_cancel(op.op, kept_on_cancel, NULL);
}

static const struct msv_auth late = { .size = sizeof(late), .verify = late_verify };

static struct msv_op *begin_late(struct msv_sasl **sasl, struct answer *a)
{
	struct msv_op *op = msv_op_new(msv_test_env(t), on_sasl, a);

	ck_assert_int_eq(sasl_start(t, &late, "PLAIN", sasl), 0);
	msv_sasl_step(*sasl, "AHRpbQB4", 8, (struct msv_sasl_op){ op }); /* \0tim\0x */
	msv_test_run(t);
	ck_assert_int_eq(a->calls, 0);
	return op;
}

START_TEST(answered_late)
{
	struct msv_sasl *sasl;
	struct answer a = { 0 };

	begin_late(&sasl, &a);
	/* One step at a time. */
	ck_assert_int_eq(step_raw(t, sasl, "").error, MSV_ERR_INVAL);
	msv_auth_answer(
	    kept, &(struct msv_account){ .size = sizeof(struct msv_account), .name = "tim" });
	msv_test_run(t);
	ck_assert_int_eq(a.calls, 1);
	ck_assert_str_eq(a.account, "tim");
	msv_sasl_free(sasl);
}
END_TEST

START_TEST(op_canceled)
{
	struct msv_sasl *sasl;
	struct answer a = { 0 };

	msv_op_cancel(begin_late(&sasl, &a));
	ck_assert_int_eq(kept_canceled, 1);
	msv_sasl_free(sasl);
	msv_op_answer(kept.op, MSV_ERR_AUTH);
	msv_test_run(t);
	ck_assert_int_eq(a.calls, 0);
}
END_TEST

START_TEST(freed_under_way)
{
	struct msv_sasl *sasl;
	struct answer a = { 0 };

	begin_late(&sasl, &a);
	msv_sasl_free(sasl);
	ck_assert_int_eq(kept_canceled, 1);
	msv_auth_answer(
	    kept, &(struct msv_account){ .size = sizeof(struct msv_account), .name = "tim" });
	msv_test_run(t);
	ck_assert_int_eq(a.calls, 0);
}
END_TEST

/* Freed when the source has answered, but the completion has not run yet. */
START_TEST(freed_after_answer)
{
	struct msv_sasl *sasl;
	struct answer a = { 0 };

	begin_late(&sasl, &a);
	msv_auth_answer(
	    kept, &(struct msv_account){ .size = sizeof(struct msv_account), .name = "tim" });
	msv_sasl_free(sasl);
	msv_test_run(t);
	ck_assert_int_eq(a.calls, 0);
}
END_TEST

/* The completion may free the exchange and still read its result. */
struct freeing {
	struct msv_sasl *sasl;
	char account[32];
};

static void free_then_read(void *user, int error, const void *result)
{
	const struct msv_sasl_result *r = result;
	struct freeing *f = user;

	ck_assert_int_eq(error, 0);
	msv_sasl_free(f->sasl);
	snprintf(f->account, sizeof(f->account), "%s", r->account->name);
}

START_TEST(freed_in_completion)
{
	struct freeing f = { 0 };
	struct msv_op *op = msv_op_new(msv_test_env(t), free_then_read, &f);
	const char *text = "AHRpbQB0YW5zdGFhZnRhbnN0YWFm"; /* \0tim\0tanstaaftanstaaf */

	ck_assert_int_eq(sasl_start(t, auth, "PLAIN", &f.sasl), 0);
	msv_sasl_step(f.sasl, text, strlen(text), (struct msv_sasl_op){ op });
	msv_test_run(t);
	ck_assert_str_eq(f.account, "tim");
}
END_TEST

/* -- No memory ---------------------------------------------------------------------------------- */

/* A whole login; false when memory ran out somewhere.  Never another outcome. */
static bool login_short_of_memory(const char *mechanism, const char *const *messages, size_t n)
{
	char final[2048], signature[64];
	struct msv_sasl *sasl;
	struct answer a = { 0 };
	int error = sasl_start(t, auth, mechanism, &sasl);

	for (size_t i = 0; !error && i < n; i++) {
		const char *message = messages[i];
		char text[512];
		if (!message) {
			scram_client_final("n,,", messages[0] + 3, a.challenge, "tanstaaftanstaaf",
			    final, sizeof(final), signature);
			message = final;
		}
		size_t len = strlen(message);
		if (message[0] == '\1') { /* stands for NUL */
			char plain_text[64];
			for (size_t k = 0; k < len; k++)
				plain_text[k] = message[k] == '\1' ? '\0' : message[k];
			msv_base64_encode(plain_text, len, text);
		} else {
			msv_base64_encode(message, len, text);
		}
		a = (struct answer){ 0 };
		struct msv_op *op = msv_op_new(msv_test_env(t), on_sasl, &a);
		if (!op) {
			error = MSV_ERR_NOMEM;
			break;
		}
		msv_sasl_step(sasl, text, strlen(text), (struct msv_sasl_op){ op });
		msv_test_run(t);
		ck_assert_int_eq(a.calls, 1);
		error = a.error;
	}
	msv_sasl_free(sasl);
	ck_assert(error == 0 || error == MSV_ERR_NOMEM);
	ck_assert(error || a.has_account);
	return error == 0;
}

static void fail_each(const char *mechanism, const char *const *messages, size_t n)
{
	bool done = false;

	for (uint64_t i = 0; !done; i++) {
		ck_assert_uint_lt(i, 200);
		msv_test_fail_alloc(t, i, false);
		done = login_short_of_memory(mechanism, messages, n);
		msv_test_fail_alloc(t, UINT64_MAX, false);
	}
}

START_TEST(no_memory)
{
	fail_each("PLAIN", (const char *[]){ "\1tim\1tanstaaftanstaaf" }, 1);
	fail_each("LOGIN", (const char *[]){ "tim", "tanstaaftanstaaf" }, 2);
	fail_each("SCRAM-SHA-256", (const char *[]){ "n,,n=tim,r=abc", NULL, "" }, 3);
}
END_TEST

int main(void)
{
	return auth_main("sasl", setup, teardown, list, plain_right, plain_wrong, plain_malformed,
	    careless_source, not_base64, equals_and_star, much_too_long, login_dialogue,
	    login_malformed, scram_rfc7677, scram_right_and_wrong, scram_first_malformed,
	    scram_final, scram_replayed_nonce, scram_after_signature, scram_nonces_differ,
	    answered_late, op_canceled, freed_under_way, freed_after_answer, freed_in_completion,
	    no_memory);
}
