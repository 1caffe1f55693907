#include "message/address.h"

#include "buf_fixture.h"
#include "message/envelope.h"

/* Addresses as ENVELOPE writes them: (name route mailbox host). */
static const struct {
	const char *in, *list;
} table[] = {
	{ "", "NIL" },
	{ " , ,", "NIL" },
	{ "(only a comment)", "NIL" },
	{ "a@b", "((NIL NIL \"a\" \"b\"))" },
	/* RFC 5322 A.1. */
	{ "John Doe <jdoe@machine.example>", "((\"John Doe\" NIL \"jdoe\" \"machine.example\"))" },
	{ "\"Joe Q. Public\" <john.q.public@example.com>",
	    "((\"Joe Q. Public\" NIL \"john.q.public\" \"example.com\"))" },
	{ "Mary Smith <mary@x.test>, jdoe@example.org, Who? <one@y.test>",
	    "((\"Mary Smith\" NIL \"mary\" \"x.test\")(NIL NIL \"jdoe\" \"example.org\")"
	    "(\"Who?\" NIL \"one\" \"y.test\"))" },
	{ "<boss@nil.test>, \"Giant; \\\"Big\\\" Box\" <sysservices@example.net>",
	    "((NIL NIL \"boss\" \"nil.test\")"
	    "(\"Giant; \\\"Big\\\" Box\" NIL \"sysservices\" \"example.net\"))" },
	{ "A Group:Ed Jones <c@a.test>,joe@where.test,John <jdoe@one.test>;",
	    "((NIL NIL \"A Group\" NIL)(\"Ed Jones\" NIL \"c\" \"a.test\")"
	    "(NIL NIL \"joe\" \"where.test\")(\"John\" NIL \"jdoe\" \"one.test\")"
	    "(NIL NIL NIL NIL))" },
	{ "Undisclosed recipients:;",
	    "((NIL NIL \"Undisclosed recipients\" NIL)(NIL NIL NIL NIL))" },
	/* A.5: white space and comments. */
	{ "Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>",
	    "((\"Pete\" NIL \"pete\" \"silly.test\"))" },
	{ "A Group(Some people)\r\n     :Chris Jones <c@(Chris's host.)public.example>,\r\n"
	  "         joe@example.org,\r\n  John <jdoe@one.test> (my dear friend); (the end of the "
	  "group)",
	    "((NIL NIL \"A Group\" NIL)(\"Chris Jones\" NIL \"c\" \"public.example\")"
	    "(NIL NIL \"joe\" \"example.org\")(\"John\" NIL \"jdoe\" \"one.test\")"
	    "(NIL NIL NIL NIL))" },
	{ "(Empty list)(start)Hidden recipients  :(nobody(that I know))  ;",
	    "((NIL NIL \"Hidden recipients\" NIL)(NIL NIL NIL NIL))" },
	/* A.6: obsolete forms. */
	{ "Joe Q. Public <john.q.public@example.com>",
	    "((\"Joe Q. Public\" NIL \"john.q.public\" \"example.com\"))" },
	{ "Mary Smith <@node.test:mary@example.net>, , jdoe@test  . example",
	    "((\"Mary Smith\" \"@node.test\" \"mary\" \"example.net\")"
	    "(NIL NIL \"jdoe\" \"test.example\"))" },
	{ "<@a.test,@b.test , ,: joe @ c.test>", "((NIL \"@a.test,@b.test\" \"joe\" \"c.test\"))" },
	{ "foo . bar @ baz . com", "((NIL NIL \"foo.bar\" \"baz.com\"))" },
	{ "\"a b\" . c@d", "((NIL NIL \"a b.c\" \"d\"))" },
	{ "x@[192.0.2.1], y@ [IPv6:2001:db8::1]",
	    "((NIL NIL \"x\" \"[192.0.2.1]\")(NIL NIL \"y\" \"[IPv6:2001:db8::1]\"))" },
	{ "\"quoted@local\"@x", "((NIL NIL \"quoted@local\" \"x\"))" },
	/* RFC 822's comment as a name; the last one counts. */
	{ "e@f (Comment (nested) Name)", "((\"Comment (nested) Name\" NIL \"e\" \"f\"))" },
	{ "(one) e@f (two)", "((\"two\" NIL \"e\" \"f\"))" },
	{ "\"Name\" (not me) <g@h>", "((\"Name\" NIL \"g\" \"h\"))" },
	{ "<g@h> (Name)", "((\"Name\" NIL \"g\" \"h\"))" },
	/* Encoded words stay. */
	{ "=?utf-8?Q?Doe=2C_John?= <j@d>", "((\"=?utf-8?Q?Doe=2C_John?=\" NIL \"j\" \"d\"))" },
	/* 8-bit is a literal. */
	{ "J\xc3\xb6rg <j@d>", "(({5}\r\nJ\xc3\xb6rg NIL \"j\" \"d\"))" },
	/* What real mail has. */
	{ "john@x.test <john@x.test>", "((\"john@x.test\" NIL \"john\" \"x.test\"))" },
	{ "John john@x.test Doe <j@x>", "((\"John john@x.test Doe\" NIL \"j\" \"x\"))" },
	{ "Joe Doe joe@x.test", "((\"Joe Doe\" NIL \"joe\" \"x.test\"))" },
	{ "a@b; c@d", "((NIL NIL \"a\" \"b\")(NIL NIL \"c\" \"d\"))" },
	{ "<<x@y>>", "((NIL NIL \"x\" \"y\"))" },
	{ "'x@y'", "((NIL NIL \"'x\" \"y'\"))" },
	{ "a@b> , c@d", "((NIL NIL \"a\" \"b\")(NIL NIL \"c\" \"d\"))" },
	{ "<a@b, c@d>", "((NIL NIL \"a\" \"b\")(NIL NIL \"c\" \"d\"))" },
	{ "a@b@c", "((NIL NIL \"a\" \"b\"))" },
	{ "g: a@b, c@d", "((NIL NIL \"g\" NIL)(NIL NIL \"a\" \"b\")(NIL NIL \"c\" \"d\")"
	                 "(NIL NIL NIL NIL))" },
	{ "g: h: a@b;", "((NIL NIL \"g\" NIL)(\"h:\" NIL \"a\" \"b\")(NIL NIL NIL NIL))" },
	{ "g1: a@b; g2:;", "((NIL NIL \"g1\" NIL)(NIL NIL \"a\" \"b\")(NIL NIL NIL NIL)"
	                   "(NIL NIL \"g2\" NIL)(NIL NIL NIL NIL))" },
	{ "\"\": a@b;", "((NIL NIL \"\" NIL)(NIL NIL \"a\" \"b\")(NIL NIL NIL NIL))" },
	{ "<mailto:a@b>", "((NIL NIL \"mailto:a\" \"b\"))" },
	/* A host is never NIL: that would be a group. */
	{ "foo", "((NIL NIL \"foo\" \"\"))" },
	{ "foo bar", "((\"foo bar\" NIL \"\" \"\"))" },
	{ "<>", "((NIL NIL \"\" \"\"))" },
	{ "\"\"", "((NIL NIL \"\" \"\"))" },
	{ "@b.c", "((NIL NIL \"\" \"b.c\"))" },
	{ "<@b.c>", "((NIL NIL \"\" \"b.c\"))" },
	{ "a@", "((NIL NIL \"a\" \"\"))" },
	{ "a b c <x@y> d e", "((\"a b c\" NIL \"x\" \"y\"))" },
	/* Nothing is ended. */
	{ "\"a@b", "((NIL NIL \"a@b\" \"\"))" },
	{ "a (b", "((\"b\" NIL \"a\" \"\"))" },
	{ "a <b", "((\"a\" NIL \"b\" \"\"))" },
	{ "a@[b", "((NIL NIL \"a\" \"[b\"))" },
	{ "a\\", "((NIL NIL \"a\\\\\" \"\"))" },
	{ "a\\@b@c", "((NIL NIL \"a@b\" \"c\"))" },
	{ "]", "((NIL NIL \"]\" \"\"))" },
};

START_TEST(lists)
{
	ck_assert_int_eq(msv_envelope_write_addresses(table[_i].in, strlen(table[_i].in), &out), 0);
	ck_assert_str_eq(taken(), table[_i].list);
}
END_TEST

/* Texts on which a careless parser looks at the rest again and again, or keeps
 * what grows. */
START_TEST(linear)
{
	static const char *const pieces[] = { "a@b, ", "a, ", "(", "((((a))))", "<", "\"",
		"g:", "g:;", "@", "@a,", "\\", "a ", "a.", "a@", ".", ";", ":", "[", "a@[", "<@",
		"<@a:", "(a) ", "\"a\" ", ">", "=?a?q?", "a<b>", "\xff" };

	for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
		struct msv_buf in;

		msv_buf_init(&in, env);
		while (msv_buf_len(&in) < 2500000)
			msv_buf_puts(&in, pieces[i]);
		ck_assert_int_eq(
		    msv_envelope_write_addresses(msv_buf_data(&in), msv_buf_len(&in), &out), 0);
		msv_buf_fini(&in);
		msv_buf_clear(&out);
	}
}
END_TEST

START_TEST(half_a_million)
{
	struct msv_address_reader r;
	struct msv_address_item item;
	struct msv_buf in;
	size_t n = 0;

	msv_buf_init(&in, env);
	for (int i = 0; i < 500000; i++)
		msv_buf_printf(&in, "User %d <user%d@example.com>, ", i, i);
	msv_address_reader_init(&r, env, msv_buf_data(&in), msv_buf_len(&in));
	while (msv_address_next(&r, &item) == 1)
		n++;
	ck_assert_uint_eq(n, 500000);
	/* The reader keeps one at a time. */
	ck_assert_uint_lt(msv_test_memory(test), in.cap + 10000);
	msv_address_reader_fini(&r);
	msv_buf_fini(&in);
}
END_TEST

static int read_once(void)
{
	static const char in[] = "Group: \"a b\" <@r:c@d> (e), f@g;";
	int rc = msv_envelope_write_addresses(in, sizeof in - 1, &out);

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
	Suite *s = suite_create("address");
	TCase *tc = tcase_create("table");

	tcase_add_checked_fixture(tc, buf_setup, buf_teardown);
	tcase_add_loop_test(tc, lists, 0, sizeof table / sizeof table[0]);
	suite_add_tcase(s, tc);
	buf_case(s, "address", linear, half_a_million, no_memory);
	return check_main(s);
}
