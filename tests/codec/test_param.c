#include "codec/param.h"

#include "buf_fixture.h"

/* What was read, as `name="value" ...`. */
static int read_params(const char *in, size_t n)
{
	struct msv_arena arena;
	struct msv_params params;
	int rc;

	msv_arena_init(&arena, env);
	rc = msv_params_parse(&arena, in, n, &params);
	for (size_t i = 0; rc == 0 && i < params.n; i++)
		msv_buf_printf(
		    &out, "%s%s=[%s]", i ? " " : "", params.v[i].name, params.v[i].value);
	msv_arena_fini(&arena);
	return rc;
}

static const struct {
	const char *in, *params;
} table[] = {
	{ "", "" },
	{ "; charset=us-ascii", "charset=[us-ascii]" },
	{ "; charset=us-ascii (Plain text)", "charset=[us-ascii]" },
	{ ";charset=\"us-ascii\"", "charset=[us-ascii]" },
	{ "; a=\"x \\\"y\\\" \\\\z\"", "a=[x \"y\" \\z]" },
	{ ";; a = b ;\r\n\tc=d;", "a=[b] c=[d]" },
	{ "; (c) a (c) = (c(d)) b (c)", "a=[b]" },
	{ "; boundary=----=_Part_1", "boundary=[----=_Part_1]" },
	{ "; charset=utf-8 format=flowed", "charset=[utf-8] format=[flowed]" },
	{ "; a; =b; c=; d=\"unended", "c=[] d=[unended]" },
	{ "; a=caf\xc3\xa9", "a=[caf\xc3\xa9]" },
	/* RFC 2231 3 and 4.1: continuations become one parameter (its section 6). */
	{ "; access-type=URL; URL*0=\"ftp://\"; URL*1=\"cs.utk.edu/pub\"",
	    "access-type=[URL] URL=[ftp://cs.utk.edu/pub]" },
	{ "; title*=us-ascii'en-us'This%20is%20%2A%2A%2Afun%2A%2A%2A",
	    "title*=[us-ascii'en-us'This%20is%20%2A%2A%2Afun%2A%2A%2A]" },
	{ "; title*0*=us-ascii'en'This%20is%20; title*1*=%2A%2A%2Afun%2A%2A%2A%20; title*2=\"isn't "
	  "it!\"",
	    "title*=[us-ascii'en'This%20is%20%2A%2A%2Afun%2A%2A%2A%20isn%27t%20it!]" },
	{ "; n*1=b; N*0=a", "N=[ab]" },
	{ "; n*0=\"50%\"; n*1*=%20x", "n*=[''50%25%20x]" },
	{ "; n*0=a; n*2=c", "n*2=[c] n=[a]" },
	{ "; n*1=b", "n*1=[b]" },
	{ "; n*0=a; n*0=b; n*1=c", "n*0=[b] n=[ac]" },
	{ "; n*x=a; n**=b; n*0**=c; n*99999999999999999999=d",
	    "n*x=[a] n**=[b] n*0**=[c] n*99999999999999999999=[d]" },
};

START_TEST(parsed)
{
	ck_assert_int_eq(read_params(table[_i].in, strlen(table[_i].in)), 0);
	ck_assert_str_eq(taken(), table[_i].params);
}
END_TEST

static const struct {
	const char *in, *decoded; /* NULL: not there */
} names[] = {
	{ "", NULL },
	{ "; name=plain", "plain" },
	{ "; NAME=plain", "plain" },
	{ "; name=\"=?utf-8?q?caf=C3=A9?=\"", "caf\xc3\xa9" },
	{ "; name*=utf-8''caf%C3%A9", "caf\xc3\xa9" },
	{ "; name*=iso-8859-1'fr'caf%e9", "caf\xc3\xa9" },
	{ "; name=fallback; name*=utf-8''caf%C3%A9", "caf\xc3\xa9" },
	{ "; name*=x-unknown''caf%C3%A9", "caf\xc3\xa9" },
	{ "; name*=nothing", "nothing" },
	{ "; name*=utf-8''a%", "a%" },
	{ "; name*=utf-8''a%0d%0ab", "a  b" },
	{ "; name*0*=utf-8''caf%C3; name*1*=%A9", "caf\xc3\xa9" },
	{ "; name*0=a; name*1=b", "ab" },
	{ "; name*0=\"50%\"; name*1*=%20x", "50% x" },
};

START_TEST(decoded)
{
	struct msv_arena arena;
	struct msv_params params;
	int rc;

	msv_arena_init(&arena, env);
	msv_params_parse(&arena, names[_i].in, strlen(names[_i].in), &params);
	rc = msv_params_decode(&params, "name", &out);
	ck_assert_int_eq(rc, names[_i].decoded ? 0 : MSV_ERR_NOTFOUND);
	ck_assert_str_eq(taken(), names[_i].decoded ? names[_i].decoded : "");
	msv_arena_fini(&arena);
}
END_TEST

static void read_many(const char *piece, size_t times)
{
	struct msv_buf in;

	msv_buf_init(&in, env);
	for (size_t i = 0; i < times; i++)
		msv_buf_printf(&in, piece, (int)(i * 7919 % times), (int)i);
	ck_assert_int_eq(read_params(msv_buf_data(&in), msv_buf_len(&in)), 0);
	ck_assert_uint_lt(msv_test_memory(test), 3 * msv_buf_len(&in) + 1000000);
	msv_buf_fini(&in);
	msv_buf_clear(&out);
}

START_TEST(bombs)
{
	read_many("; name*%d=%d", 100000);
	read_many("; name*%d*=%d", 100000);
	read_many("; n%d*0=%d", 100000);
	read_many("; name*0=%d%d", 100000);
	read_many("; a%d=%d", 100000);
	read_many(";%.0d%.0d", 1000000);
	read_many("(%.0d%.0d", 1000000);
	read_many("=%.0d%.0d", 1000000);
	read_many(";a=\"%.0d%.0d", 1000000);
}
END_TEST

static int read_once(void)
{
	static const char in[] = "; a=b; name*0*=utf-8''caf%C3; name*1*=%A9; c*0=d; c*2=e";
	struct msv_arena arena;
	struct msv_params params;
	int rc;

	msv_arena_init(&arena, env);
	rc = msv_params_parse(&arena, in, sizeof in - 1, &params);
	if (rc == 0)
		rc = msv_params_decode(&params, "name", &out);
	msv_arena_fini(&arena);
	msv_buf_fini(&out);
	return rc;
}

START_TEST(no_memory)
{
	fail_each_alloc(read_once);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("param");
	TCase *tc = tcase_create("tables");

	tcase_add_checked_fixture(tc, buf_setup, buf_teardown);
	tcase_add_loop_test(tc, parsed, 0, sizeof table / sizeof table[0]);
	tcase_add_loop_test(tc, decoded, 0, sizeof names / sizeof names[0]);
	suite_add_tcase(s, tc);
	buf_case(s, "param", bombs, no_memory);
	return check_main(s);
}
