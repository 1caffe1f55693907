/* Second fields: vectors made by other programs, and what we make ourselves. */
#include "auth_test.h"
#include "config.h"

static struct msv_test_env *t;
static struct msv_env *env;

static void setup(void)
{
	ck_assert_int_eq(msv_test_env_new(0, &t), 0);
	env = msv_test_env(t);
}

static void teardown(void)
{
	ck_assert_uint_eq(msv_test_env_free(t), 0);
}

struct vector {
	const char *password, *field;
};

/* The right password opens, others do not, and the name's case is no matter. */
static void check_vectors(const struct vector *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char lower[300], wrong[128];
		snprintf(lower, sizeof(lower), "%s", v[i].field);
		for (char *p = lower; *p && *p != '}' && *lower == '{'; p++)
			*p = msv_account_name_same("A", (char[]){ *p, 0 }) ? 'a' : *p;
		ck_assert_msg(
		    msv_password_check(env, v[i].field, v[i].password) == 0, "%s", v[i].field);
		ck_assert_msg(msv_password_check(env, lower, v[i].password) == 0, "%s", lower);
		snprintf(wrong, sizeof(wrong), "%sx", v[i].password);
		ck_assert_msg(
		    msv_password_check(env, v[i].field, wrong) == MSV_ERR_AUTH, "%s", v[i].field);
		ck_assert_int_eq(msv_password_check(env, v[i].field, ""), MSV_ERR_AUTH);
		snprintf(wrong, sizeof(wrong), "%s", v[i].password);
		wrong[0] ^= 1;
		ck_assert_int_eq(msv_password_check(env, v[i].field, wrong), MSV_ERR_AUTH);
	}
}
#define CHECK_VECTORS(v) check_vectors((v), sizeof(v) / sizeof(*(v)))

/* doveadm pw (Dovecot 2.3.19); Python's hashlib. */
static const struct vector digests[] = {
	{ "pass word", "{SSHA}BZhMN6/MnpwZnW0uV5ds6ERltslbM6cP" },
	{ "pass word", "{SSHA256}RedJE1pAlLJYKd/wh35asaF+tLUBVtNm5SvBRokIjG6P+CT7" },
	{ "pass word", "{SSHA512}LDVhME8zuyy8BEXciiX4L9FgswuKwZ13o0N9fJt73nQCHx0BAf6KPwqukJJtGV7Pq"
	               "XlyMjuPnnLM7/qclne/JBMLcdA=" },
	{ "pass word",
	    "{SSHA512.HEX}b6cdf7614cd5b1a0c22bc811d71bdebb4e205b38d0e5a35817e5db903649f9"
	    "63d0e75eaa4ec611e2ce86cec8c70814b9004ff4f4056d895be60a3c2496aaa2f61dffa131" },
	{ "pass word", "{SHA256}eJgOJX9BJDf7+TQ3h7wA7FsQY2QpvAALKQEHM1sIl4Y=" },
	{ "pass word", "{SHA512}Nq7XWhQpjD4VwA82iHbXmY8NSz1w7/A84XtT9npPaxW+U8Dt41vjbL2JY3A7kd5cgXm"
	               "FPhhROfO9ihvprNn13A==" },
	{ "pass word", "{SHA1}2oguq15ANCGsJCWKX31fllwpyEk=" },
	{ "pass word", "{PLAIN}pass word" },
	{ "pass word", "{PLAIN.B64}cGFzcyB3b3Jk" },
	{ "pass word", "{PLAIN.base64}cGFzcyB3b3Jk" },
	{ "pass word", "{PLAIN.hex}7061737320776F7264" },
	{ "pass word", "{SCRAM-SHA-256}4096,Kf/qM9JX1yMwgN1KUmPKxQ==,Gph0lJlBXEFumvw6jn2FMHiMaY21r7"
	               "c5ZWrt+1Q/HMI=,k8xoPtukn5BYuc3cqqJuEEPmH/xYcF50JEmMlZUnzCQ=" },
	{ "pass word", "{SCRAM-SHA-1}4096,5ALWgvjIxKDyXXmvD4MGJw==,MaGR9yzwyiHkoxUJxV/ApUMa/zI=,ir4"
	               "z44F07grWlm0Hcxpv0kpz+AU=" },
	{ "pass word",
	    "{PBKDF2}$1$iuLKk7Pig.kBaS.T$5000$188f230f86909580d08f8b8d185f1c26be2ba64c" },
	{ "secret", "{SSHA512}E491yrR9AdCoE7rbOPYS3EZgSuZpVE65AD9xko08s6floNesY/Zpe9zMVvLix4S2FiQSJ"
	            "99RIkNvhHomNO9uL3NhbHQ=" },
	{ "secret", "{SSHA256}+E+iFJ27Yu1ODPH1UNKUmzOmUT06dwfghQJRHHnMsO5zYWx0" },
	{ "secret", "{SHA256}2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b" },
	{ "secret", "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=" },
	{ "pencil", "{SCRAM-SHA-256}4096,W22ZaJ0SNY7soEsUEjb6gQ==,WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXk"
	            "uLmtbsT4qY=,wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=" },
};

START_TEST(digest_vectors)
{
	CHECK_VECTORS(digests);
}
END_TEST

#ifdef HAVE_CRYPT
/* doveadm pw; openssl passwd; Python's crypt. */
static const struct vector crypts[] = {
	{ "pass word", "{CRYPT}$2y$05$elKjfxNvvaw/cAGAyczWNe2OofJWgOlBssKSpn2i0A3BUW6ltuoxy" },
	{ "pass word", "{BLF-CRYPT}$2y$05$pa8x48k3jvgcv0HOAa2s2u3T1T2P3QtPaTYUxt.80Z8Oh.lmVt/ta" },
	{ "pass word",
	    "{SHA256-CRYPT}$5$QbedMxgOAjwYjHQ9$SVyoUEORhmNNJ08kqtTTRLrV/0c2ob97Kb5xiy7xmA"
	    "/" },
	{ "pass word",
	    "{SHA512-CRYPT}$6$Yt5ZzgLc6MlC6D3w$9/VJ2QcHt6t.yZM84j7.ExqknbdcYC8CwuzBBnIkYR"
	    "XWJ9MmbSbHTK8IOulZx8xa2g3JeQydeY58WGMoWlvKR." },
	{ "pass word", "{MD5-CRYPT}$1$oARXGusZ$G8mgok0NBdSo7LUwTFEQm1" },
	{ "Hello world!",
	    "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4"
	    "OTLiBFdcbYEdFCoEOfaS35inz1" },
	{ "Hello world!", "$5$saltsalt$7nms7uea33j6nUc5B/QNWbGgEhGAZc61YUN0rQzogB0" },
	{ "Hello world!", "$1$abcdefgh$fzmjzFdo5nMtBG8gtud5e0" },
	{ "correct horse",
	    "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$zwtVrjrUCmXcyLTs6oxLTQlzifSUkF8RHJ./tK5KU79" },
	{ "correct horse",
	    "$gy$j9T$F5Jx5fExrKuPp53xLKQ..1$fjSOzYe3VPU6Q.dJqx4tYW6CE1ptRyuKNHZ4IlHBYq1" },
	{ "correct horse",
	    "$7$CU..../....0123456789abcdefghijkl$PqsHhlZbCwHpCeCeJry9jq.oYzrsW.ZQgRhYWyKo1l7" },
	{ "correct horse", "$2b$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2" },
	{ "correct horse",
	    "$6$rounds=1000$saltstring$YiR6NSM0LQXmu7vAhkMXfkdYk7qtFouVx1Mdr3HmzXspT8k"
	    "ONjlpU3CsV7ezCB62uXJoAdaagsH4ck7/tB9js." },
};

START_TEST(crypt_vectors)
{
	CHECK_VECTORS(crypts);
	/* DES looks at eight characters alone. */
	ck_assert_int_eq(msv_password_check(env, "{DES-CRYPT}jM8nDQhZSA0PU", "pass word"), 0);
	ck_assert_int_eq(msv_password_check(env, "jM8nDQhZSA0PU", "pass word"), 0);
	ck_assert_int_eq(msv_password_check(env, "jM8nDQhZSA0PU", "Pass word"), MSV_ERR_AUTH);
}
END_TEST
#endif

#ifdef HAVE_ARGON2
static const struct vector argon2s[] = {
	{ "pass word",
	    "{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$JeIKg5lK0R0ljwiqbtSfjQ$n1LhT4EE2f9+n+"
	    "YHtvToGEArdIPrJD14HA8XDGDnqeU" },
	{ "pass word",
	    "{ARGON2I}$argon2i$v=19$m=32768,t=4,p=1$b6lZ5dSZuvJxhNFZJF7qlg$IIzQRtOiqWXqnzx8"
	    "GhaENNGa4z8uwXlwOi6eXeIK948" },
};

START_TEST(argon2_vectors)
{
	CHECK_VECTORS(argon2s);
}
END_TEST
#endif

/* -- What is refused ------------------------------------------------------------------ */

START_TEST(locked)
{
	static const char *const fields[] = { "", "x", "*", "!", "!!", "!$6$a$b", "*LK*" };

	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
		ck_assert_int_eq(msv_password_check(env, fields[i], ""), MSV_ERR_AUTH);
		ck_assert_int_eq(msv_password_check(env, fields[i], fields[i]), MSV_ERR_AUTH);
	}
}
END_TEST

START_TEST(refused)
{
	static const struct {
		const char *field;
		int error;
	} bad[] = {
		{ "{NO-SUCH}abc", MSV_ERR_UNSUPPORTED }, { "{}abc", MSV_ERR_UNSUPPORTED },
		{ "{SSHA512.rot13}abc", MSV_ERR_UNSUPPORTED }, { "{SSHA512", MSV_ERR_FORMAT },
		{ "{SSHA512}", MSV_ERR_FORMAT }, { "{SSHA512}AAAA", MSV_ERR_FORMAT },
		{ "{SSHA512}!!!!", MSV_ERR_FORMAT },
		{ "{SHA256}eJgOJX9BJDf7+TQ3h7wA7FsQY2QpvAALKQEHM1sIl4ZA", MSV_ERR_FORMAT },
		{ "{SHA256.hex}zz", MSV_ERR_FORMAT }, { "{PLAIN}", MSV_ERR_FORMAT },
		{ "{PLAIN.b64}AA==", MSV_ERR_FORMAT }, /* a NUL */
		{ "{SCRAM-SHA-256}4096,QQ==,QQ==,QQ==", MSV_ERR_FORMAT },
		{ "{SCRAM-SHA-256}", MSV_ERR_FORMAT },
		{ "{PBKDF2}$1$salt$0$188f230f86909580d08f8b8d185f1c26be2ba64c", MSV_ERR_FORMAT },
		{ "{PBKDF2}$1$salt", MSV_ERR_FORMAT },
		{ "hunter2", MSV_ERR_FORMAT }, /* somebody's password in the clear */
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		ck_assert_msg(msv_password_check(env, bad[i].field, "abc") == bad[i].error,
		    "%s: %d", bad[i].field, msv_password_check(env, bad[i].field, "abc"));
#ifdef HAVE_CRYPT
	ck_assert_int_eq(msv_password_check(env, "$q$abc", "abc"), MSV_ERR_FORMAT);
	ck_assert_int_eq(msv_password_check(env, "{BLF-CRYPT}$6$a$b", "abc"), MSV_ERR_FORMAT);
#else
	ck_assert_int_eq(msv_password_check(env, "$6$a$b", "abc"), MSV_ERR_UNSUPPORTED);
#endif
#ifdef HAVE_ARGON2
	ck_assert_int_eq(msv_password_check(env, "{ARGON2ID}$argon2i$v=19", "abc"), MSV_ERR_FORMAT);
	ck_assert_int_eq(msv_password_check(env, "{ARGON2ID}$argon2id$v=19$m=", "a"), MSV_ERR_AUTH);
#else
	ck_assert_int_eq(
	    msv_password_check(env, "{ARGON2ID}$argon2id$x", "a"), MSV_ERR_UNSUPPORTED);
#endif
}
END_TEST

/* -- What we make ----------------------------------------------------------------------- */

static void make(const char *scheme, const char *begins)
{
	static const char *const passwords[] = { "a", "pass word", "p\xc3\xa4ss:\xc2\xbd",
		"{PLAIN}x" };

	for (size_t i = 0; i < sizeof(passwords) / sizeof(*passwords); i++) {
		char *one, *two;
		ck_assert_int_eq(msv_password_hash(env, scheme, passwords[i], &one), 0);
		ck_assert_int_eq(msv_password_hash(env, scheme, passwords[i], &two), 0);
		if (i < 2)
			ck_assert_msg(strncmp(one, begins, strlen(begins)) == 0, "%s", one);
		ck_assert_ptr_null(strchr(one, ':'));
		if (!scheme || msv_account_name_same(scheme, "PLAIN") == false)
			ck_assert_str_ne(one, two);
		ck_assert_int_eq(msv_password_check(env, one, passwords[i]), 0);
		ck_assert_int_eq(msv_password_check(env, one, "b"), MSV_ERR_AUTH);
		msv_env_realloc(env, one, 0);
		msv_env_realloc(env, two, 0);
	}
}

START_TEST(made)
{
	char *out;

	make("SSHA256", "{SSHA256}");
	make("ssha512", "{SSHA512}");
	make("PLAIN", "{PLAIN}");
	make("SCRAM-SHA-256", "{SCRAM-SHA-256}65536,");
#ifdef HAVE_CRYPT
	make(NULL, "$y$");
	make("CRYPT", "$y$");
	make("BLF-CRYPT", "$2b$10$");
	make("SHA256-CRYPT", "$5$rounds=100000$");
	make("SHA512-CRYPT", "$6$rounds=100000$");
	char long_password[600] = { 0 };
	memset(long_password, 'x', 599);
	ck_assert_int_eq(msv_password_hash(env, NULL, long_password, &out), MSV_ERR_LIMIT);
#else
	make(NULL, "{SCRAM-SHA-256}");
#endif
#ifdef HAVE_ARGON2
	make("ARGON2ID", "{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$");
#else
	ck_assert_int_eq(msv_password_hash(env, "ARGON2ID", "x", &out), MSV_ERR_UNSUPPORTED);
#endif
	ck_assert_int_eq(msv_password_hash(env, "SHA256", "x", &out), MSV_ERR_UNSUPPORTED);
	ck_assert_int_eq(msv_password_hash(env, "NO-SUCH", "x", &out), MSV_ERR_UNSUPPORTED);
	ck_assert_int_eq(msv_password_hash(env, NULL, "", &out), MSV_ERR_INVAL);
	ck_assert_int_eq(msv_password_scram(env, "", &out), MSV_ERR_INVAL);
}
END_TEST

START_TEST(scram_text)
{
	struct msv_scram_value v;
	char text[MSV_SCRAM_TEXT_SIZE], *out;
	const char *const no_salt = "4096,,WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=,"
	                            "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";
	const char *const bad[] = { "", "4096", "4096,", "0,QQ==,", "x,QQ==,", "-1,QQ==,",
		"99999999,", no_salt };

	ck_assert_int_eq(msv_password_scram(env, "pencil", &out), 0);
	ck_assert_int_eq(msv_scram_parse(MSV_SHA256, out, &v), 0);
	ck_assert_uint_eq(v.iterations, MSV_SCRAM_ITERATIONS);
	ck_assert_uint_eq(v.salt_len, 16);
	msv_scram_format(MSV_SHA256, &v, text);
	ck_assert_str_eq(text, out);
	msv_env_realloc(env, out, 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		ck_assert_msg(
		    msv_scram_parse(MSV_SHA256, bad[i], &v) == MSV_ERR_FORMAT, "%s", bad[i]);
	/* The longest salt. */
	memset(&v, 7, sizeof(v));
	v.iterations = MSV_SCRAM_ITERATIONS_MAX;
	v.salt_len = MSV_SCRAM_SALT_MAX;
	msv_scram_format(MSV_SHA256, &v, text);
	struct msv_scram_value back = { 0 };
	ck_assert_int_eq(msv_scram_parse(MSV_SHA256, text, &back), 0);
	ck_assert_uint_eq(back.salt_len, MSV_SCRAM_SALT_MAX);
	ck_assert_mem_eq(back.salt, v.salt, MSV_SCRAM_SALT_MAX);
}
END_TEST

/* -- SASLprep ------------------------------------------------------------------------------- */

static void prepares(const char *text, const char *expected)
{
	char *out = msv_saslprep(env, text);

	ck_assert_str_eq(out, expected);
	msv_free_string_secret(env, out);
}

START_TEST(saslprep)
{
	/* RFC 4013 3, but what is prohibited stands for itself. */
	prepares("I\xc2\xadX", "IX");
	prepares("user", "user");
	prepares("USER", "USER");
	prepares("\x07", "\x07");
	prepares("\xc3\xa4\x07", "\xc3\xa4\x07");
	prepares("", "");
	prepares("a\xe3\x80\x80z\xc2\xa0y", "a z y"); /* wide and hard spaces */
	prepares("\xc2\xad", "\xc2\xad");             /* nothing would be left */
	prepares("\xe4", "\xe4");                     /* no UTF-8 */
	prepares("\xee\x80\x80"
	         "\xc2\xad",
	    "\xee\x80\x80"
	    "\xc2\xad"); /* private use */
#ifdef HAVE_UTF8PROC
	prepares("\xc2\xaa", "a");
	prepares("\xe2\x85\xa8", "IX");
	prepares("a\xcc\x88", "\xc3\xa4");
	prepares("\xef\xb7\xba", "\xd8\xb5\xd9\x84\xd9\x89 \xd8\xa7\xd9\x84\xd9\x84\xd9\x87 "
	                         "\xd8\xb9\xd9\x84\xd9\x8a\xd9\x87 "
	                         "\xd9\x88\xd8\xb3\xd9\x84\xd9\x85"); /* U+FDFA grows most */
	/* Python's hashlib over "IXIX a" */
	ck_assert_int_eq(
	    msv_password_check(env,
	        "{SCRAM-SHA-256}4096,MDEyMzQ1Njc4OWFiY2RlZg==,yOzEddxzBm6LWErlS/kKyxWtgSbybra3WBwp/"
	        "aKSIBE=,XvN/HaGpfz+98Ekp3IMIMN/d3P4RtSSmZF1CGBzduYA=",
	        "I\xc2\xadX\xe2\x85\xa8 \xc2\xaa"),
	    0);
#endif
}
END_TEST

/* Keys made without SASLprep are found too. */
START_TEST(scram_unprepared)
{
	struct msv_scram_value v = { .iterations = 4096, .salt_len = 16 };
	char text[MSV_SCRAM_TEXT_SIZE], field[300];

	ck_assert_int_eq(msv_scram_derive(MSV_SHA256, "I\xc2\xadX", &v), 0);
	msv_scram_format(MSV_SHA256, &v, text);
	snprintf(field, sizeof(field), "{SCRAM-SHA-256}%s", text);
	ck_assert_int_eq(msv_password_check(env, field, "I\xc2\xadX"), 0);
	ck_assert_int_eq(msv_password_check(env, field, "I\xc2\xadY"), MSV_ERR_AUTH);
}
END_TEST

/* -- Kinds -------------------------------------------------------------------------------------- */

static void kind_is(const char *field, const char *expected)
{
	struct msv_field parsed;
	char kind[MSV_KIND_SIZE];

	ck_assert_int_eq(msv_field_parse(field, &parsed), 0);
	msv_field_kind(&parsed, kind);
	ck_assert_str_eq(kind, expected);
}

START_TEST(kinds)
{
	kind_is("{PLAIN}$secret$", "PLAIN:");
	kind_is("{PLAIN}secret", "PLAIN:");
	kind_is("{SSHA512}LDVhME8zuyy8BEXciiX4L9Fgswu", "SSHA512:");
	kind_is("{SCRAM-SHA-256}4096,Kf/q,aa,bb", "SCRAM-SHA-256:4096");
	kind_is("{PBKDF2}$1$iuLK$5000$188f", "PBKDF2:");
#ifdef HAVE_CRYPT
	kind_is("$6$saltstring$svn8", "CRYPT:$6$");
	kind_is("$6$rounds=1000$saltstring$YiR", "CRYPT:$6$rounds=1000$");
	kind_is("{SHA512-CRYPT}$6$salt$x", "SHA512-CRYPT:$6$");
	kind_is("$2b$05$abcdefghijk", "CRYPT:$2b$05$");
	kind_is("$y$j9T$F5Jx5fExrKuPp53xLKQ..1$zwtV", "CRYPT:$y$j9T$");
	kind_is("$7$CU..../....0123456789abcdefghijkl$PqsH", "CRYPT:$7$CU..../....");
	kind_is("jM8nDQhZSA0PU", "CRYPT:");
#endif
#ifdef HAVE_ARGON2
	kind_is("{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$JeIK$n1Lh",
	    "ARGON2ID:$argon2id$v=19$m=65536,t=3,p=1$");
#endif
}
END_TEST

/* -- No memory ------------------------------------------------------------------------------------ */

START_TEST(no_memory)
{
	static const char *const schemes[] = { "PLAIN", "SSHA512", "SCRAM-SHA-256", NULL };
	const char *password = "p\xc3\xa4ss:";

	for (size_t s = 0; s < sizeof(schemes) / sizeof(*schemes); s++) {
		int error = MSV_ERR_NOMEM;
		for (uint64_t i = 0; error; i++) {
			char *out = NULL;
			msv_test_fail_alloc(t, i, false);
			error = msv_password_hash(env, schemes[s], password, &out);
			if (!error)
				error = msv_password_check(env, out, password);
			msv_test_fail_alloc(t, UINT64_MAX, false);
			ck_assert(error == 0 || error == MSV_ERR_NOMEM);
			msv_env_realloc(env, out, 0);
			ck_assert_uint_lt(i, 50);
		}
	}
}
END_TEST

int main(void)
{
	const TTest *tests[] = { digest_vectors, locked, refused, made, scram_text, saslprep,
		scram_unprepared, kinds, no_memory,
#ifdef HAVE_CRYPT
		crypt_vectors,
#endif
#ifdef HAVE_ARGON2
		argon2_vectors,
#endif
		NULL };

	return auth_main_run("scheme", setup, teardown, tests);
}
