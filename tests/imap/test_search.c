/* SEARCH (RFC 3501 6.4.4, 4731): every key, charsets, programs of any shape. */
#include "config.h"

#include "imap/rig.h"

/* Six messages; what each is for stands in the table below. */
static void prepare(struct rig *rig)
{
	enum { DAY = 86400, FEB_1994 = 760060800 /* 1-Feb-1994 */ };
	static const struct rig_message messages[] = {
		{ MSV_FLAG_SEEN | MSV_FLAG_ANSWERED, NULL, FEB_1994,
		    "From: Smith <smith@example.org>\r\nTo: Jones <jones@example.com>\r\n"
		    "Subject: afternoon meeting\r\nDate: Tue, 1 Feb 1994 23:30:00 -0800\r\n\r\n"
		    "first body\r\n",
		    0 },
		{ MSV_FLAG_DELETED, "Work", FEB_1994 + DAY - 1,
		    "From: Jones\r\nCc: smith@example.org\r\n"
		    "Subject: =?iso-8859-1?q?Gr=FC=DFe?=\r\n =?utf-8?b?IGF1cyBLw7Zsbg==?=\r\n"
		    "Date: 2 Feb 1994 00:30:00 +0800\r\nX-Empty:\r\n\r\n"
		    "second body\r\n",
		    0 },
		{ MSV_FLAG_FLAGGED, NULL, FEB_1994 + DAY,
		    "From: nobody\r\nBcc: secret@example.net\r\nContent-Type: text/plain; "
		    "charset=utf-8\r\n"
		    "Content-Transfer-Encoding: base64\r\n\r\n"
		    "w5xiZXIgZGVuIFdvbGtlbg==\r\n",
		    0 },
		{ MSV_FLAG_DRAFT | MSV_FLAG_SEEN, "$Junk", FEB_1994 + 31 * DAY,
		    "Subject: parts\r\nContent-Type: multipart/mixed; "
		    "boundary=x\r\n\r\npreamble\r\n"
		    "--x\r\nContent-Type: text/html; charset=koi8-r\r\n"
		    "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
		    "<p>=D0=D2=C9=\r\n=D7=C5=D4</p>\r\n"
		    "--x\r\nContent-Type: application/octet-stream; name=needle.bin\r\n\r\n"
		    "haystack\r\n"
		    "--x\r\nContent-Type: message/rfc822\r\n\r\n"
		    "Subject: innermost\r\n\r\nembedded text\r\n--x--\r\n",
		    0 },
		{ MSV_FLAG_PASSED, NULL, FEB_1994 - 1, "Subject: 100% \"quoted\" \\ text\r\n\r\n",
		    0 },
		{ 0, NULL, FEB_1994 - DAY - 1, "no header", 0 },
	};

	for (size_t i = 0; i < sizeof(messages) / sizeof(*messages); i++)
		rig_append(rig, "INBOX", &messages[i], 1);
}

static void ask(struct rig *rig, const char *command)
{
	msv_conn_input(rig->conns[0], command, strlen(command));
}

/* -- Every key ------------------------------------------------------------------------------ */

static const struct {
	const char *keys, *numbers;
} table[] = {
	{ "ALL", " 1 2 3 4 5 6" },
	{ "ANSWERED", " 1" },
	{ "BCC example.net", " 3" },
	{ "BEFORE 1-Feb-1994", " 5 6" },
	{ "BODY body", " 1 2" },
	{ "BODY \"FIRST body\"", " 1" },
	{ "BODY smith", "" },
	{ "BODY \"embedded\"", " 4" },
	{ "BODY innermost", " 4" },
	{ "BODY needle", " 4" },
	{ "BODY haystack", "" },
	{ "BODY preamble", "" },
	{ "BODY wolken", " 3" },
	{ "CC smith", " 2" },
	{ "DELETED", " 2" },
	{ "DRAFT", " 4" },
	{ "FLAGGED", " 3" },
	{ "FROM smith", " 1" },
	{ "FROM Jones", " 2" },
	{ "FROM \"\"", " 1 2 3" },
	{ "HEADER Subject meeting", " 1" },
	{ "HEADER X-Empty \"\"", " 2" },
	{ "HEADER x-empty a", "" },
	{ "HEADER X-None \"\"", "" },
	{ "HEADER \"\" a", "" },
	{ "KEYWORD work", " 2" },
	{ "KEYWORD $Junk", " 4" },
	{ "KEYWORD $Forwarded", " 5" },
	{ "KEYWORD nothing", "" },
	{ "LARGER 9", " 1 2 3 4 5" },
	{ "LARGER 100", " 1 2 3 4" },
	{ "NEW", " 2 3 5 6" },
	{ "NOT NEW", " 1 4" },
	{ "OLD", "" },
	{ "RECENT", " 1 2 3 4 5 6" },
	{ "ON 1-Feb-1994", " 1 2" },
	{ "ON \"2-Feb-1994\"", " 3" },
	{ "SEEN", " 1 4" },
	{ "SENTBEFORE 2-Feb-1994", " 1" },
	{ "SENTON 1-Feb-1994", " 1" },
	{ "SENTON 2-Feb-1994", " 2" },
	{ "SENTSINCE 1-Feb-1994", " 1 2" },
	{ "NOT SENTSINCE 1-Feb-1994", " 3 4 5 6" },
	{ "SINCE 2-Feb-1994", " 3 4" },
	{ "SMALLER 10", " 6" },
	{ "SMALLER 9", "" },
	{ "SUBJECT Meeting", " 1" },
	{ "SUBJECT \"aus k\"", " 2" },
	{ "SUBJECT \"100% \\\"quoted\\\" \\\\\"", " 5" },
	{ "SUBJECT {5+}\r\nparts", " 4" },
	{ "TEXT smith", " 1 2" },
	{ "TEXT body", " 1 2 3" },
	{ "TEXT innermost", " 4" },
	{ "TEXT \"subject: parts\"", " 4" },
	{ "TEXT header", "" },
	{ "TO jones", " 1" },
	{ "UID 2:3,6", " 2 3 6" },
	{ "UID *", " 6" },
	{ "UID 7:*", " 6" },
	{ "UID 100:200", "" },
	{ "2:3,6", " 2 3 6" },
	{ "*", " 6" },
	{ "UNANSWERED", " 2 3 4 5 6" },
	{ "UNDELETED", " 1 3 4 5 6" },
	{ "UNDRAFT", " 1 2 3 5 6" },
	{ "UNFLAGGED", " 1 2 4 5 6" },
	{ "UNKEYWORD WORK", " 1 3 4 5 6" },
	{ "UNKEYWORD $forwarded", " 1 2 3 4 6" },
	{ "UNSEEN", " 2 3 5 6" },
	/* programs */
	{ "SEEN ANSWERED", " 1" },
	{ "SEEN NOT ANSWERED", " 4" },
	{ "NOT NOT SEEN", " 1 4" },
	{ "NOT NOT NOT SEEN", " 2 3 5 6" },
	{ "OR SEEN FLAGGED", " 1 3 4" },
	{ "OR OR SEEN FLAGGED DELETED", " 1 2 3 4" },
	{ "OR SEEN OR FLAGGED DELETED", " 1 2 3 4" },
	{ "NOT OR SEEN FLAGGED", " 2 5 6" },
	{ "OR NOT SEEN ANSWERED", " 1 2 3 5 6" },
	{ "(SEEN)", " 1 4" },
	{ "(((SEEN)) ((ANSWERED)))", " 1" },
	{ "NOT (SEEN ANSWERED)", " 2 3 4 5 6" },
	{ "NOT (NOT (NOT (SEEN)))", " 2 3 5 6" },
	{ "OR (SEEN DRAFT) (FLAGGED UNSEEN)", " 3 4" },
	{ "OR BODY first SUBJECT parts", " 1 4" },
	{ "OR SINCE 2-Feb-1994 BODY second", " 2 3 4" },
	{ "NOT BODY body", " 3 4 5 6" },
	{ "NOT TEXT subject", " 3 6" },
	{ "BODY first BODY body TEXT meeting", " 1" },
	{ "1:3 UID 2:9 UNSEEN LARGER 1 BODY body", " 2" },
};

START_TEST(every_key)
{
	struct rig rig;

	rig_init(&rig, _i);
	prepare(&rig);
	rig_connect(&rig, 0);
	rig_say(&rig, 0, RIG_HELLO RIG_SELECT("INBOX"));
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		char command[300], want[300];
		snprintf(command, sizeof(command), "a SEARCH %s\r\n", table[i].keys);
		snprintf(want, sizeof(want), "* SEARCH%s\r\na OK SEARCH completed\r\n",
		    table[i].numbers);
		ask(&rig, command);
		struct msv_span got = msv_test_take_output(rig.test, rig.conns[0]);
		ck_assert_msg(strcmp(got.p, want) == 0, "%s: %s", table[i].keys, got.p);
	}
	rig_fini(&rig);
}
END_TEST

static void prepare_gap(struct rig *rig)
{
	prepare(rig);
}

START_TEST(numbers_and_uids)
{
	rig_play(prepare_gap, RIG_HELLO RIG_SELECT("INBOX") "C: a EXPUNGE\n"
	                                                    "S: * 2 EXPUNGE\n"
	                                                    "S: * 5 RECENT\n"
	                                                    "S: a OK EXPUNGE completed\n"
	                                                    "C: b SEARCH ALL\n"
	                                                    "S: * SEARCH 1 2 3 4 5\n"
	                                                    "S: b OK SEARCH completed\n"
	                                                    "C: b UID SEARCH ALL\n"
	                                                    "S: * SEARCH 1 3 4 5 6\n"
	                                                    "S: b OK UID SEARCH completed\n"
	                                                    "C: b UID SEARCH 2:3\n"
	                                                    "S: * SEARCH 3 4\n"
	                                                    "S: b OK UID SEARCH completed\n"
	                                                    "C: b SEARCH UID 2:3\n"
	                                                    "S: * SEARCH 2\n"
	                                                    "S: b OK SEARCH completed\n");
}
END_TEST

/* RFC 4731 */
START_TEST(returned)
{
	rig_play(prepare,
	    RIG_HELLO RIG_SELECT("INBOX") "C: A282 SEARCH RETURN (MIN COUNT) UNSEEN\n"
	                                  "S: * ESEARCH (TAG \"A282\") MIN 2 COUNT 4\n"
	                                  "S: A282 OK SEARCH completed\n"
	                                  "C: a SEARCH RETURN () UNSEEN\n"
	                                  "S: * ESEARCH (TAG \"a\") ALL 2:3,5:6\n"
	                                  "S: a OK SEARCH completed\n"
	                                  "C: a UID SEARCH RETURN (ALL MAX) SEEN\n"
	                                  "S: * ESEARCH (TAG \"a\") UID ALL 1,4 MAX 4\n"
	                                  "S: a OK UID SEARCH completed\n"
	                                  "C: a SEARCH return (min) UNSEEN\n"
	                                  "S: * ESEARCH (TAG \"a\") MIN 2\n"
	                                  "S: a OK SEARCH completed\n"
	                                  "C: a SEARCH RETURN (MAX) UNSEEN\n"
	                                  "S: * ESEARCH (TAG \"a\") MAX 6\n"
	                                  "S: a OK SEARCH completed\n"
	                                  "C: a SEARCH RETURN (MIN MAX ALL COUNT) LARGER 10000\n"
	                                  "S: * ESEARCH (TAG \"a\") COUNT 0\n"
	                                  "S: a OK SEARCH completed\n"
	                                  "C: a SEARCH RETURN (MIN) CHARSET UTF-8 LARGER 10000\n"
	                                  "S: * ESEARCH (TAG \"a\")\n"
	                                  "S: a OK SEARCH completed\n"
	                                  "C: a SEARCH RETURN (SAVE) ALL\n"
	                                  "S: a BAD Unknown RETURN option\n"
	                                  "C: a SEARCH RETURN ALL\n"
	                                  "S: a BAD Invalid arguments\n"
	                                  "C: a SEARCH RETURN (MIN)\n"
	                                  "S: a BAD Missing arguments\n");
}
END_TEST

/* Beyond ASCII letters are alike in upper and lower case, and sharp s is ss, with
 * utf8proc alone. */
START_TEST(charsets)
{
#ifndef HAVE_UTF8PROC
	return;
#endif
	rig_play(prepare,
	    RIG_HELLO RIG_SELECT("INBOX") "C: a SEARCH CHARSET UTF-8 SUBJECT {7+}\n"
	                                  "C= Gr\\xc3\\xbcsse\\r\\n\n"
	                                  "S: * SEARCH 2\n"
	                                  "S: a OK SEARCH completed\n"
	                                  "C: b SEARCH CHARSET iso-8859-1 SUBJECT {6+}\n"
	                                  "C= gr\\xfcsse\\r\\n\n"
	                                  "S: * SEARCH 2\n"
	                                  "S: b OK SEARCH completed\n"
	                                  "C: c SEARCH CHARSET utf-8 BODY {5+}\n"
	                                  "C= \\xc3\\xbcber\\r\\n\n"
	                                  "S: * SEARCH 3\n"
	                                  "S: c OK SEARCH completed\n"
	                                  "C: d SEARCH CHARSET KOI8-R TEXT {6+}\n"
	                                  "C= \\xd0\\xd2\\xc9\\xd7\\xc5\\xd4\\r\\n\n"
	                                  "S: * SEARCH 4\n"
	                                  "S: d OK SEARCH completed\n"
	                                  "C: e SEARCH TEXT {12+}\n"
	                                  "C= \\xd0\\x9f\\xd0\\xa0\\xd0\\xb8\\xd0\\xb2\\xd0"
	                                  "\\xb5\\xd1\\x82\\r\\n\n"
	                                  "S: * SEARCH 4\n"
	                                  "S: e OK SEARCH completed\n"
	                                  "C: f SEARCH CHARSET X-FROB TEXT a\n"
	                                  "S: f NO [BADCHARSET (US-ASCII UTF-8 ISO-8859-1)] "
	                                  "That charset is not known here\n"
	                                  "C: g SEARCH CHARSET US-ASCII SUBJECT parts\n"
	                                  "S: * SEARCH 4\n"
	                                  "S: g OK SEARCH completed\n"
	                                  "C: h SEARCH CHARSET\n"
	                                  "S: h BAD Unknown search key\n");
}
END_TEST

START_TEST(mistakes)
{
	rig_play(prepare, RIG_HELLO RIG_SELECT("INBOX") "C: a SEARCH\n"
	                                                "S: a BAD Missing arguments\n"
	                                                "C: a SEARCH FROB\n"
	                                                "S: a BAD Unknown search key\n"
	                                                "C: a SEARCH ()\n"
	                                                "S: a BAD A word is missing\n"
	                                                "C: a SEARCH (SEEN\n"
	                                                "S: a BAD Invalid arguments\n"
	                                                "C: a SEARCH SEEN)\n"
	                                                "S: a BAD Too many arguments\n"
	                                                "C: a SEARCH NOT\n"
	                                                "S: a BAD Missing arguments\n"
	                                                "C: a SEARCH NOT \n"
	                                                "S: a BAD A word is missing\n"
	                                                "C: a SEARCH OR SEEN\n"
	                                                "S: a BAD Missing arguments\n"
	                                                "C: a SEARCH (OR SEEN)\n"
	                                                "S: a BAD A space is missing\n"
	                                                "C: a SEARCH SEEN \n"
	                                                "S: a BAD A word is missing\n"
	                                                "C: a SEARCH SUBJECT\n"
	                                                "S: a BAD Missing arguments\n"
	                                                "C: a SEARCH HEADER x\n"
	                                                "S: a BAD Missing arguments\n"
	                                                "C: a SEARCH LARGER x\n"
	                                                "S: a BAD A number is missing\n"
	                                                "C: a SEARCH BEFORE 31-Feb-1994\n"
	                                                "S: a BAD Invalid date\n"
	                                                "C: a SEARCH 7\n"
	                                                "S: a BAD There is no message with that "
	                                                "number\n"
	                                                "C: a SEARCH UID x\n"
	                                                "S: a BAD A number is missing\n");
}
END_TEST

/* -- Programs nobody writes -------------------------------------------------------------------- */

/* "a SEARCH " and n times what, then the end; valid until the next. */
static const char *repeated(const char *what, size_t n, const char *end)
{
	static char text[1000000];
	size_t len = strlen(what);
	char *p = text;

	p += sprintf(p, "a SEARCH ");
	for (size_t i = 0; i < n; i++, p += len)
		memcpy(p, what, len);
	sprintf(p, "%s\r\n", end);
	return text;
}

static void expect(struct rig *rig, const char *command, const char *want)
{
	ask(rig, command);
	struct msv_span got = msv_test_take_output(rig->test, rig->conns[0]);
	ck_assert_str_eq(got.p, want);
}

START_TEST(nesting)
{
	struct rig rig;
	const char *six = "* SEARCH 1 2 3 4 5 6\r\na OK SEARCH completed\r\n";

	rig_init(&rig, false);
	prepare(&rig);
	rig.config.command_max = 1000000;
	rig_connect(&rig, 0);
	rig_say(&rig, 0, RIG_HELLO RIG_SELECT("INBOX"));
	size_t before = msv_test_memory(rig.test);
	expect(&rig, repeated("NOT ", 100000, "ALL"), six);
	expect(&rig, repeated("NOT ", 100001, "ALL"), "* SEARCH\r\na OK SEARCH completed\r\n");
	expect(&rig, repeated("(", 100000, "ALL"),
	    "a NO [LIMIT] Search keys are nested too deeply\r\n");
	expect(&rig, repeated("OR ALL ", 100000, "ALL"),
	    "a NO [LIMIT] Search keys are nested too deeply\r\n");
	expect(&rig, repeated("ALL ", 100000, "ALL"), "a NO [LIMIT] Too many search keys\r\n");
	expect(&rig, repeated("OR ", 100000, "ALL"),
	    "a NO [LIMIT] Search keys are nested too deeply\r\n");
	expect(&rig, repeated("(", 1999, ""), "a BAD A word is missing\r\n");
	expect(&rig, repeated("OR SEEN ", 999, "UNSEEN"), six);
	expect(&rig, repeated("OR NOT ALL ", 900, "UID 1:3"),
	    "* SEARCH 1 2 3\r\na OK SEARCH completed\r\n");
	ck_assert_uint_le(msv_test_memory(rig.test), before + 8192);
	rig_fini(&rig);
}
END_TEST

/* 10,000 ranges, upside down. */
START_TEST(ranges)
{
	struct rig rig;
	static char text[200000];
	char *p = text;

	rig_init(&rig, false);
	prepare(&rig);
	rig.config.command_max = 1000000;
	rig_connect(&rig, 0);
	rig_say(&rig, 0, RIG_HELLO RIG_SELECT("INBOX"));
	p += sprintf(p, "a SEARCH UID ");
	for (int i = 10000; i > 0; i--)
		p += sprintf(p, "%d:%d,", 2 * i, 2 * i);
	sprintf(p, "4294967295:%u\r\n", 6U);
	expect(&rig, text, "* SEARCH 2 4 6\r\na OK SEARCH completed\r\n");
	rig_fini(&rig);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("imap/search");
	TCase *tc = tcase_create("table");

	tcase_add_loop_test(tc, every_key, 0, 2);
	suite_add_tcase(s, tc);
	check_case(s, "search", numbers_and_uids, returned, charsets, mistakes, nesting, ranges);
	return check_main(s);
}
