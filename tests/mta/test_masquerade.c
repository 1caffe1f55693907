/* Other addresses for inner hosts, in envelopes and header fields. */
#include <mailserv/testing.h>
#include <stdio.h>
#include <string.h>

#include "check_main.h"
#include "mta/aliases.h"

static struct msv_test_env *test;
static struct msv_masquerade m;

static const char *const pairs[][2] = { { "root@host.example.org", "admin@example.org" },
	{ "@host.example.org", "@example.org" }, { "@.inner.example.org", "@mail.example.org" },
	{ "@.deep.inner.example.org", "@deep.example.org" },
	{ "\"john doe\"@host.example.org", "\"jane doe\"@example.org" } };

static int load(void)
{
	const char *mistake;
	int error = 0;

	for (size_t i = 0; i < sizeof pairs / sizeof *pairs && !error; i++)
		error = msv_masquerade_add(&m, pairs[i][0], pairs[i][1], &mistake);
	return error;
}

static void setup(void)
{
	ck_assert_int_eq(msv_test_env_new(7, &test), 0);
	msv_masquerade_init(&m, msv_test_env(test));
	ck_assert_int_eq(load(), 0);
}

static void teardown(void)
{
	msv_masquerade_fini(&m);
	ck_assert_uint_eq(msv_test_env_free(test), 0);
}

static void becomes(const char *address, const char *wanted)
{
	struct msv_smtp_mailbox box, out;

	ck_assert_int_eq(msv_smtp_mailbox_parse(address, strlen(address), &box), 0);
	struct msv_smtp_address given = msv_smtp_address_of(&box);
	int found = msv_masquerade_address(&m, &given, &out);
	ck_assert_int_eq(found, strcmp(address, wanted) != 0);
	ck_assert_str_eq(found ? out.address : box.address, wanted);
}

START_TEST(addresses)
{
	struct msv_smtp_address empty = { "", "", "" };
	struct msv_smtp_mailbox out;

	becomes("ROOT@Host.Example.ORG", "admin@example.org");
	becomes("anna@host.example.org", "anna@example.org");
	becomes("\"john doe\"@host.example.org", "\"jane doe\"@example.org");
	becomes("\"a b\"@host.example.org", "\"a b\"@example.org");
	becomes("anna@a.inner.example.org", "anna@mail.example.org");
	becomes("anna@b.a.inner.example.org", "anna@mail.example.org");
	becomes("anna@x.deep.inner.example.org", "anna@deep.example.org");
	becomes("anna@deep.inner.example.org", "anna@mail.example.org");
	becomes("anna@inner.example.org", "anna@inner.example.org");
	becomes("anna@example.org", "anna@example.org");
	becomes("anna@other.example", "anna@other.example");
	ck_assert_int_eq(msv_masquerade_address(&m, &empty, &out), 0);
}
END_TEST

static void wrong(const char *from, const char *to, const char *wanted)
{
	const char *mistake;

	ck_assert_int_eq(msv_masquerade_add(&m, from, to, &mistake), MSV_ERR_FORMAT);
	ck_assert_str_eq(mistake, wanted);
}

START_TEST(mistakes)
{
	static const char domain[] =
	    "a domain stands for a domain; write @host.example.org and @example.org";
	static const char address[] =
	    "an address stands for an address; write root@host.example.org "
	    "and admin@example.org";

	wrong("@a.example", "b@example.org", domain);
	wrong("@two words", "@x", domain);
	wrong("@", "@", domain);
	wrong("@.", "@x", domain);
	wrong("@a.example", "@.b.example", domain);
	wrong("x@a.example", "@example.org", address);
	wrong("root", "anna", address);
	wrong("\xff@x", "y@z", address);
	wrong("", "", address);
	ck_assert_uint_eq(m.table.n, sizeof pairs / sizeof *pairs);
}
END_TEST

/* -- Header fields ------------------------------------------------------------------ */

static void rewritten(const char *header, const char *wanted)
{
	struct msv_buf out;

	msv_buf_init(&out, msv_test_env(test));
	msv_buf_puts(&out, "before|");
	int changed = msv_masquerade_header(&m, header, strlen(header), &out);
	ck_assert_int_eq(changed, wanted != NULL);
	const char *text = msv_buf_cstr(&out);
	ck_assert_int_eq(strncmp(text, "before|", 7), 0);
	ck_assert_str_eq(text + 7, wanted ? wanted : "");
	msv_buf_fini(&out);
}

START_TEST(fields)
{
	rewritten(
	    "Received: from root@host.example.org\r\n"
	    "from:Root <root@host.example.org>\r\n"
	    "Sender: anna@host.example.org\r\n"
	    "To: anna@host.example.org\r\n"
	    "Reply-To: anna@host.example.org,\r\n"
	    "\t\"x, <root@host.example.org>\" <bert@HOST.example.org> (root@host.example.org)\r\n"
	    "Resent-From : anna@host.example.org\r\n"
	    "Subject: root@host.example.org\r\n"
	    "\r\n",
	    "Received: from root@host.example.org\r\n"
	    "from:Root <admin@example.org>\r\n"
	    "Sender: anna@example.org\r\n"
	    "To: anna@host.example.org\r\n"
	    "Reply-To: anna@example.org,\r\n"
	    "\t\"x, <root@host.example.org>\" <bert@example.org> (root@host.example.org)\r\n"
	    "Resent-From : anna@example.org\r\n"
	    "Subject: root@host.example.org\r\n"
	    "\r\n");
	/* LF, no empty line, no line end. */
	rewritten("From: anna@host.example.org\n\nFrom: anna@host.example.org",
	    "From: anna@example.org\n\nFrom: anna@host.example.org");
	rewritten("From: anna@host.example.org", "From: anna@example.org");
	rewritten("From:anna@host.example.org\n", "From:anna@example.org\n");
}
END_TEST

START_TEST(forms)
{
	rewritten("From: friends: anna@host.example.org, <bert@host.example.org>;, x@y.example\n\n",
	    "From: friends: anna@example.org, <bert@example.org>;, x@y.example\n\n");
	rewritten("From: =?utf-8?q?A=40b?= <\"john doe\"@host.example.org>\n\n",
	    "From: =?utf-8?q?A=40b?= <\"jane doe\"@example.org>\n\n");
	rewritten("From: anna@host.example.org <anna@host.example.org>\n\n",
	    "From: anna@example.org <anna@example.org>\n\n");
	rewritten("From: <@relay.example,@host.example.org:anna@host.example.org>\n\n",
	    "From: <@relay.example,@host.example.org:anna@example.org>\n\n");
	rewritten("From: anna (at home) @\n (the) host.example.org (end)\n\n",
	    "From: anna@example.org (end)\n\n");
	rewritten("From: b\xc3\xbc"
	          "cher@host.example.org\n\n",
	    "From: b\xc3\xbc"
	    "cher@example.org\n\n");
	/* In pieces with blanks (RFC 5322 4.4): left as they are. */
	rewritten("From: root . x @host.example.org\n\n", NULL);
	rewritten("From: x. root@host.example.org\n\n", NULL);
	rewritten("From: \"x\".root@host.example.org\n\n", NULL);
	rewritten("From: root@host . example . org\n\n", NULL);
	rewritten("From: root@host.example.org . x\n\n", NULL);
	rewritten("From: root@host.example.org.\n\n", NULL);
}
END_TEST

START_TEST(left_alone)
{
	rewritten(
	    "From: anna@host.example.org\r\nDKIM-Signature: v=1; d=example.org\r\n\r\n", NULL);
	rewritten("dkim-signature: x\nFrom: anna@host.example.org\n\n", NULL);
	rewritten("From: anna@example.org\r\n\r\n", NULL);
	rewritten("To: root@host.example.org\r\n\r\n", NULL);
	rewritten("", NULL);
	rewritten("\r\n", NULL);
	rewritten("From\r\nFrom : @\r\nFrom: @@@ <>,;:[ root@[ \"\r\nSender: (((\r\n\r\n", NULL);
	rewritten("From: anna\001@host.example.org\r\n\r\n", NULL);
	/* What stands behind the header is the body. */
	rewritten("To: x\r\n\r\nFrom: anna@host.example.org\r\n", NULL);
	rewritten("From: anna@host.example.org\n\nDKIM-Signature: x\n",
	    "From: anna@example.org\n\nDKIM-Signature: x\n");
}
END_TEST

/* Many addresses take linear time; long ones are left alone. */
START_TEST(many)
{
	const size_t n = 20000;
	static const char one[] = "root@host.example.org,";
	char *header = malloc(n * sizeof one + 1000), *p = header + sprintf(header, "From: ");
	struct msv_buf out;

	for (size_t i = 0; i < n; i++)
		p += sprintf(p, "%s", one);
	memset(p, 'x', 300);
	strcpy(p + 300, "@host.example.org\n\n");
	msv_buf_init(&out, msv_test_env(test));
	ck_assert_int_eq(msv_masquerade_header(&m, header, strlen(header), &out), 1);
	ck_assert_uint_eq(msv_buf_len(&out),
	    6 + n * strlen("admin@example.org,") + 300 + strlen("@host.example.org\n\n"));
	msv_buf_fini(&out);
	free(header);
}
END_TEST

static int play(void)
{
	static const char header[] = "From: anna@host.example.org, \"john doe\"@host.example.org\n"
	                             "Sender: x@a.b.inner.example.org\n\n";
	struct msv_buf out;

	msv_masquerade_fini(&m);
	int error = load();
	msv_buf_init(&out, msv_test_env(test));
	if (!error)
		error = msv_masquerade_header(&m, header, strlen(header), &out);
	ck_assert(error < 0 || msv_buf_len(&out) > 0);
	msv_buf_fini(&out);
	return error;
}

START_TEST(no_memory)
{
	uint64_t before = msv_test_allocs(test), n;

	ck_assert_int_eq(play(), 1);
	n = msv_test_allocs(test) - before;
	for (uint64_t i = 0; i < n; i++) {
		msv_test_fail_alloc(test, i, false);
		ck_assert_int_eq(play(), MSV_ERR_NOMEM);
	}
	msv_test_fail_alloc(test, UINT64_MAX, false);
	ck_assert_int_eq(play(), 1);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("mta/masquerade");

	check_fixture_case(s, "masquerade", setup, teardown, addresses, mistakes, fields, forms,
	    left_alone, many, no_memory);
	return check_main(s);
}
