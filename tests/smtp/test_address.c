/* Paths and mailboxes (RFC 5321 4.1.2, 4.1.3; RFC 6531 3.3). */
#include "smtp/smtp.h"

#include <stdio.h>
#include <string.h>

#include "check_main.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct good {
	const char *path, *address, *local, *domain;
};

static const struct good good[] = {
	{ "<a@b>", "a@b", "a", "b" },
	{ "<Fred.Bloggs@Example.ORG>", "Fred.Bloggs@example.org", "Fred.Bloggs", "example.org" },
	{ "<!#$%&'*+-/=?^_`{|}~@x.y>", "!#$%&'*+-/=?^_`{|}~@x.y", "!#$%&'*+-/=?^_`{|}~", "x.y" },
	{ "<user+tag@example.org>", "user+tag@example.org", "user+tag", "example.org" },
	{ "<1@2.3-4.c0m>", "1@2.3-4.c0m", "1", "2.3-4.c0m" },
	/* RFC 5321 4.1.2: quoting that is not needed goes. */
	{ "<\"Joe\"@x>", "Joe@x", "Joe", "x" },
	{ "<\"Joe.\\Q\"@x>", "Joe.Q@x", "Joe.Q", "x" },
	{ "<\"Joe Q\"@x>", "\"Joe Q\"@x", "Joe Q", "x" },
	{ "<\"Joe\\ Q\"@x>", "\"Joe Q\"@x", "Joe Q", "x" },
	{ "<\"a\\\"b\\\\c\"@x>", "\"a\\\"b\\\\c\"@x", "a\"b\\c", "x" },
	{ "<\"\"@x>", "\"\"@x", "", "x" },
	{ "<\"a..b\"@x>", "\"a..b\"@x", "a..b", "x" },
	{ "<\".a\"@x>", "\".a\"@x", ".a", "x" },
	{ "<\"a@b\"@x>", "\"a@b\"@x", "a@b", "x" },
	{ "<\"<>\"@x>", "\"<>\"@x", "<>", "x" },
	/* Address literals. */
	{ "<a@[192.0.2.1]>", "a@[192.0.2.1]", "a", "[192.0.2.1]" },
	{ "<a@[IPv6:2001:DB8:0:0::1]>", "a@[IPv6:2001:db8::1]", "a", "[IPv6:2001:db8::1]" },
	{ "<a@[ipv6:::ffff:192.0.2.1]>", "a@[IPv6:::ffff:192.0.2.1]", "a",
	    "[IPv6:::ffff:192.0.2.1]" },
	{ "<a@[X-Net:12.34/56]>", "a@[X-Net:12.34/56]", "a", "[X-Net:12.34/56]" },
	/* Source routes. */
	{ "<@a:u@b>", "u@b", "u", "b" },
	{ "<@a.b,@c-d.e:\"q q\"@b>", "\"q q\"@b", "q q", "b" },
	/* Beyond ASCII. */
	{ "<jos\xc3\xa9@b\xc3\xbc"
	  "cher.example>",
	    "jos\xc3\xa9@b\xc3\xbc"
	    "cher.example",
	    "jos\xc3\xa9",
	    "b\xc3\xbc"
	    "cher.example" },
	{ "<\"\xe7\x94\xa8 \xe6\x88\xb7\"@x>", "\"\xe7\x94\xa8 \xe6\x88\xb7\"@x",
	    "\xe7\x94\xa8 \xe6\x88\xb7", "x" },
	{ "<\xf0\x9f\x93\xa7@x>", "\xf0\x9f\x93\xa7@x", "\xf0\x9f\x93\xa7", "x" },
	/* The rest is not the path's. */
	{ "<a@b> SIZE=1", "a@b", "a", "b" },
};

START_TEST(good_paths)
{
	struct msv_smtp_mailbox m;
	size_t used;

	for (size_t i = 0; i < COUNT(good); i++) {
		const struct good *g = &good[i];
		size_t n = strlen(g->path), length = n;
		if (strstr(g->path, "> "))
			length = (size_t)(strstr(g->path, "> ") - g->path) + 1;
		ck_assert_msg(!msv_smtp_path_parse(g->path, n, 0, &used, &m), "%s", g->path);
		ck_assert_uint_eq(used, length);
		ck_assert_str_eq(m.address, g->address);
		ck_assert_str_eq(m.local, g->local);
		ck_assert_str_eq(m.domain, g->domain);
		bool ascii = true;
		for (size_t k = 0; k < n; k++)
			ascii &= !(g->path[k] & 0x80);
		ck_assert_int_eq(m.utf8, !ascii);
		/* What comes out goes in again and is the same. */
		ck_assert(!msv_smtp_mailbox_parse(g->address, strlen(g->address), &m));
		ck_assert_str_eq(m.address, g->address);
		ck_assert_str_eq(m.local, g->local);
	}
}
END_TEST

/* Cut short anywhere, a path is none; and nothing beyond its end is read. */
START_TEST(cut_paths)
{
	struct msv_smtp_mailbox m;
	size_t used;

	for (size_t i = 0; i < COUNT(good); i++) {
		const char *end = strstr(good[i].path, "> ");
		size_t n = end ? (size_t)(end - good[i].path) : strlen(good[i].path) - 1;
		for (size_t k = 0; k <= n; k++) {
			/* In memory of its own, so that a sanitizer sees it. */
			char *cut = malloc(k ? k : 1);
			memcpy(cut, good[i].path, k);
			ck_assert(msv_smtp_path_parse(cut, k, 0, &used, &m) != 0);
			free(cut);
		}
	}
}
END_TEST

START_TEST(bad_paths)
{
	static const char *const bad[] = { "", "<", "<>", "a@b", "<a>", "<a@>", "<@b>", "<a@b",
		"< a@b>", "<a@b >", "<a @b>", "<a@@b>", "<a@b@c>", "<.a@b>", "<a.@b>", "<a..b@c>",
		"<a@b..c>", "<a@.b>", "<a@b.>", "<a@-b>", "<a@b->", "<a@b.-c>", "<a@b_c>",
		"<a@b c>", "<a(c)@b>", "<a,b@c>", "<a:b@c>", "<a;b@c>", "<a\\b@c>", "<\"a@b>",
		"<\"a\"b@c>", "<a\"b\"@c>", "<\"a\\\"@b>", "<\"a\tb\"@c>", "<\"a\x7f\"@c>",
		"<a\x01@b>", "<a@b\x7f>", "<a@[192.0.2.256]>", "<a@[192.0.2]>", "<a@[192.0.2.1>",
		"<a@192.0.2.1]>", "<a@[]>", "<a@[IPv6:]>", "<a@[IPv6:1:2]>", "<a@[IPv6:::1::2]>",
		"<a@[2001:db8::1]x>", "<a@[:x]>", "<a@[x:]>", "<a@[x-:y]>", "<a@[x:y\\z]>",
		"<a@[x:[y]>", "<a@[x:y z]>", "<@a,b:c@d>", "<@a:@b:c@d>", "<@a c@d>", "<@a;c@d>",
		"<@:c@d>", "<@a:>", "<postmaster>", "<a\xff@b>", "<a\xc3@b>", "<a\xc2\x85@b>",
		"<a@b\xe2\x28>", "<a@\xed\xa0\x80>", "<a@xn--\xc0\xaf>" };
	struct msv_smtp_mailbox m;
	size_t used;

	for (size_t i = 0; i < COUNT(bad); i++) {
		int error = msv_smtp_path_parse(bad[i], strlen(bad[i]), 0, &used, &m);
		ck_assert_msg(error == MSV_ERR_FORMAT, "%s: %d", bad[i], error);
	}
}
END_TEST

/* "<>" and "<Postmaster>" where they are allowed, nothing else of the kind. */
START_TEST(special_paths)
{
	struct msv_smtp_mailbox m;
	size_t used;

	ck_assert_int_eq(msv_smtp_path_parse("<> x", 4, MSV_PATH_NULL, &used, &m), 0);
	ck_assert_uint_eq(used, 2);
	ck_assert_str_eq(m.address, "");
	ck_assert_int_eq(
	    msv_smtp_path_parse("<>", 2, MSV_PATH_POSTMASTER, &used, &m), MSV_ERR_FORMAT);
	ck_assert_int_eq(
	    msv_smtp_path_parse("<PostMaster>", 12, MSV_PATH_POSTMASTER, &used, &m), 0);
	ck_assert_str_eq(m.address, "PostMaster");
	ck_assert_str_eq(m.local, "PostMaster");
	ck_assert_str_eq(m.domain, "");
	ck_assert_int_eq(
	    msv_smtp_path_parse("<@a.b:postmaster>", 17, MSV_PATH_POSTMASTER, &used, &m), 0);
	ck_assert_str_eq(m.address, "postmaster");
	ck_assert_int_eq(
	    msv_smtp_path_parse("<postmaster>", 12, MSV_PATH_NULL, &used, &m), MSV_ERR_FORMAT);
	ck_assert_int_eq(
	    msv_smtp_path_parse("<webmaster>", 11, MSV_PATH_POSTMASTER, &used, &m), MSV_ERR_FORMAT);
}
END_TEST

/* The longest that is taken, and one more. */
static int parse_long(bool quoted, size_t local, size_t labels, size_t label)
{
	char text[4096] = "<";
	size_t n = 1, used;
	struct msv_smtp_mailbox m;

	if (quoted)
		text[n++] = '"';
	for (size_t i = 0; i < local; i++) {
		if (quoted)
			text[n++] = '\\';
		text[n++] = quoted ? '"' : 'a';
	}
	if (quoted)
		text[n++] = '"';
	text[n++] = '@';
	for (size_t i = 0; i < labels; i++) {
		if (i)
			text[n++] = '.';
		memset(text + n, 'd', label);
		n += label;
	}
	text[n++] = '>';
	int error = msv_smtp_path_parse(text, n, 0, &used, &m);
	if (!error) {
		ck_assert_uint_eq(strlen(m.local), local);
		ck_assert_uint_eq(strlen(m.domain), labels * (label + 1) - 1);
	}
	return error;
}

START_TEST(lengths)
{
	ck_assert_int_eq(parse_long(false, 255, 4, 63), 0);
	ck_assert_int_eq(parse_long(true, 255, 4, 63), 0);
	ck_assert_int_eq(parse_long(false, 256, 1, 1), MSV_ERR_LIMIT);
	ck_assert_int_eq(parse_long(true, 256, 1, 1), MSV_ERR_LIMIT);
	ck_assert_int_eq(parse_long(false, 1, 1, 64), MSV_ERR_FORMAT);
	ck_assert_int_eq(parse_long(false, 1, 5, 60), MSV_ERR_LIMIT);
	char literal[400] = "<a@[x:";
	struct msv_smtp_mailbox m;
	size_t used;
	memset(literal + 6, 'y', 251);
	memcpy(literal + 6 + 251, "]>", 2);
	ck_assert_int_eq(msv_smtp_path_parse(literal, 6 + 251 + 2, 0, &used, &m), 0);
	ck_assert_uint_eq(strlen(m.domain), 255);
	memset(literal + 6, 'y', 252);
	memcpy(literal + 6 + 252, "]>", 2);
	ck_assert_int_eq(msv_smtp_path_parse(literal, 6 + 252 + 2, 0, &used, &m), MSV_ERR_LIMIT);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("smtp/address");

	check_case(s, "paths", good_paths, cut_paths, bad_paths, special_paths, lengths);
	return check_main(s);
}
