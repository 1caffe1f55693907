/* FETCH: items, sections, partials, \Seen (RFC 3501 6.4.5). */
#include "imap/rig.h"

/* RFC 3501 8's message. */
static const char example[] = "Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\r\n"
                              "From: Terry Gray <gray@cac.washington.edu>\r\n"
                              "Subject: IMAP4rev1 WG mtg summary and minutes\r\n"
                              "To: imap@cac.washington.edu\r\n"
                              "cc: minutes@CNRI.Reston.VA.US, John Klensin <KLENSIN@MIT.EDU>\r\n"
                              "Message-Id: <B27397-0100000@cac.washington.edu>\r\n"
                              "MIME-Version: 1.0\r\n"
                              "Content-Type: TEXT/PLAIN; CHARSET=US-ASCII\r\n"
                              "\r\n"
                              "Minutes.\r\n";

/* RFC 3501 6.4.5's tree of parts, 1 to 4.2.2.1. */
static const char tree[] = "Subject: tree\r\n"
                           "Content-Type: multipart/mixed; boundary=a\r\n"
                           "\r\n"
                           "preamble\r\n"
                           "--a\r\n"
                           "\r\n"
                           "one\r\n"
                           "--a\r\n"
                           "Content-Type: application/octet-stream\r\n"
                           "\r\n"
                           "two\r\n"
                           "--a\r\n"
                           "Content-Type: message/rfc822\r\n"
                           "\r\n"
                           "Subject: three\r\n"
                           "X-More: folded\r\n"
                           " line\r\n"
                           "Content-Type: multipart/mixed; boundary=b\r\n"
                           "\r\n"
                           "--b\r\n"
                           "\r\n"
                           "three.one\r\n"
                           "--b\r\n"
                           "Content-Type: application/octet-stream\r\n"
                           "\r\n"
                           "three.two\r\n"
                           "--b--\r\n"
                           "--a\r\n"
                           "Content-Type: multipart/mixed; boundary=c\r\n"
                           "\r\n"
                           "--c\r\n"
                           "Content-Type: image/gif\r\n"
                           "Content-Id: <gif>\r\n"
                           "\r\n"
                           "four.one\r\n"
                           "--c\r\n"
                           "Content-Type: message/rfc822\r\n"
                           "\r\n"
                           "Subject: four.two\r\n"
                           "\r\n"
                           "four.two text\r\n"
                           "--c--\r\n"
                           "--a--\r\n";

static void prepare(struct rig *rig)
{
	rig_append(rig, "INBOX",
	    &(struct rig_message){ .flags = MSV_FLAG_SEEN, .date = 837596665, .text = example }, 1);
	rig_append(rig, "INBOX",
	    &(struct rig_message){
	        .flags = MSV_FLAG_FLAGGED, .keyword = "$Junk", .date = 1, .text = tree },
	    1);
	rig_deliver(rig, "INBOX", "no header at all");
}

#define ENVELOPE \
	"ENVELOPE (\"Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\" \"IMAP4rev1 WG mtg summary and " \
	"minutes\" " \
	"((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) " \
	"((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) " \
	"((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) " \
	"((NIL NIL \"imap\" \"cac.washington.edu\")) " \
	"((NIL NIL \"minutes\" \"CNRI.Reston.VA.US\")(\"John Klensin\" NIL \"KLENSIN\" " \
	"\"MIT.EDU\")) " \
	"NIL NIL \"<B27397-0100000@cac.washington.edu>\")"
#define FAST "FLAGS (\\Seen \\Recent) INTERNALDATE \"17-Jul-1996 09:44:25 +0000\" RFC822.SIZE 352"

START_TEST(items)
{
	rig_play(prepare, RIG_HELLO RIG_SELECT(
	                      "INBOX") "C: a FETCH 1 FLAGS\n"
	                               "S: * 1 FETCH (FLAGS (\\Seen \\Recent))\n"
	                               "S: a OK FETCH completed\n"
	                               "C: a FETCH 1 FAST\n"
	                               "S: * 1 FETCH (" FAST ")\n"
	                               "S: a OK FETCH completed\n"
	                               "C: a FETCH 1 all\n"
	                               "S: * 1 FETCH (" FAST " " ENVELOPE ")\n"
	                               "S: a OK FETCH completed\n"
	                               "C: a FETCH 1 FULL\n"
	                               "S: * 1 FETCH (" FAST " " ENVELOPE
	                               " BODY (\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL "
	                               "NIL \"7bit\" 10 1))\n"
	                               "S: a OK FETCH completed\n"
	                               "C: a FETCH 1 (UID BODYSTRUCTURE)\n"
	                               "S: * 1 FETCH (UID 1 BODYSTRUCTURE (\"TEXT\" \"PLAIN\" "
	                               "(\"CHARSET\" \"US-ASCII\") NIL NIL \"7bit\" 10 1 NIL NIL "
	                               "NIL NIL))\n"
	                               "S: a OK FETCH completed\n"
	                               "C: b UID FETCH 2:3 FLAGS\n"
	                               "S: * 2 FETCH (UID 2 FLAGS (\\Flagged \\Recent $Junk))\n"
	                               "S: * 3 FETCH (UID 3 FLAGS (\\Recent))\n"
	                               "S: b OK UID FETCH completed\n"
	                               "C: b UID FETCH 2 (UID FLAGS UID)\n"
	                               "S: * 2 FETCH (UID 2 FLAGS (\\Flagged \\Recent $Junk))\n"
	                               "S: b OK UID FETCH completed\n"
	                               "C: b FETCH 2 (INTERNALDATE RFC822.SIZE)\n"
	                               "S: * 2 FETCH (INTERNALDATE \" 1-Jan-1970 00:00:01 +0000\" "
	                               "RFC822.SIZE 536)\n"
	                               "S: b OK FETCH completed\n"
	                               "C: c FETCH 2 BODY\n"
	                               "S~\n"
	                               "S: c OK FETCH completed\n");
}
END_TEST

START_TEST(sets)
{
	rig_play(prepare,
	    RIG_HELLO RIG_SELECT("INBOX") "C: a FETCH 3,1 UID\n"
	                                  "S: * 1 FETCH (UID 1)\n"
	                                  "S: * 3 FETCH (UID 3)\n"
	                                  "S: a OK FETCH completed\n"
	                                  "C: a FETCH *:2 UID\n"
	                                  "S: * 2 FETCH (UID 2)\n"
	                                  "S: * 3 FETCH (UID 3)\n"
	                                  "S: a OK FETCH completed\n"
	                                  "C: a FETCH *,1:1,1 UID\n"
	                                  "S: * 1 FETCH (UID 1)\n"
	                                  "S: * 3 FETCH (UID 3)\n"
	                                  "S: a OK FETCH completed\n"
	                                  "C: a FETCH 4 UID\n"
	                                  "S: a BAD There is no message with that number\n"
	                                  "C: a FETCH 4:* UID\n"
	                                  "S: a BAD There is no message with that number\n"
	                                  "C: a FETCH 0 UID\n"
	                                  "S: a BAD There is no message 0\n"
	                                  "C: a FETCH 1:4294967296 UID\n"
	                                  "S: a BAD A number is too large\n"
	                                  "C: a FETCH 1, UID\n"
	                                  "S: a BAD A number is missing\n"
	                                  "C: a FETCH 1:2:3 UID\n"
	                                  "S: a BAD A space is missing\n"
	                                  "C: a FETCH 1\n"
	                                  "S: a BAD Missing arguments\n"
	                                  "C: b UID FETCH 7:9 FLAGS\n"
	                                  "S: b OK UID FETCH completed\n"
	                                  "C: b UID FETCH 7:* UID\n"
	                                  "S: * 3 FETCH (UID 3)\n"
	                                  "S: b OK UID FETCH completed\n"
	                                  "C: b UID FETCH 2:4294967295 UID\n"
	                                  "S: * 2 FETCH (UID 2)\n"
	                                  "S: * 3 FETCH (UID 3)\n"
	                                  "S: b OK UID FETCH completed\n");
	/* an empty mailbox */
	rig_play(NULL,
	    RIG_HELLO RIG_SELECT("INBOX") "C: a FETCH 1:* FLAGS\n"
	                                  "S: a OK FETCH completed\n"
	                                  "C: a UID FETCH 1:* FLAGS\n"
	                                  "S: a OK UID FETCH completed\n"
	                                  "C: a FETCH 1 FLAGS\n"
	                                  "S: a BAD There is no message with that number\n");
}
END_TEST

START_TEST(mistakes)
{
	rig_play(prepare,
	    RIG_HELLO RIG_SELECT("INBOX") "C: a FETCH 1 FROB\n"
	                                  "S: a BAD Unknown FETCH item\n"
	                                  "C: a FETCH 1 ()\n"
	                                  "S: a BAD Unknown FETCH item\n"
	                                  "C: a FETCH 1 (FLAGS\n"
	                                  "S: a BAD Invalid arguments\n"
	                                  "C: a FETCH 1 FLAGS UID\n"
	                                  "S: a BAD Too many arguments\n"
	                                  "C: a FETCH 1 (FLAGS ALL)\n"
	                                  "S: a BAD Unknown FETCH item\n"
	                                  "C: a FETCH 1 BODY[\n"
	                                  "S: a BAD Unknown section\n"
	                                  "C: a FETCH 1 BODY[FROB]\n"
	                                  "S: a BAD Unknown section\n"
	                                  "C: a FETCH 1 BODY[0]\n"
	                                  "S: a BAD Invalid part number\n"
	                                  "C: a FETCH 1 BODY[1.]\n"
	                                  "S: a BAD Invalid part number\n"
	                                  "C: a FETCH 1 BODY[1.0]\n"
	                                  "S: a BAD Invalid part number\n"
	                                  "C: a FETCH 1 BODY[MIME]\n"
	                                  "S: a BAD MIME stands behind a part number\n"
	                                  "C: a FETCH 1 BODY[HEADER.FIELDS]\n"
	                                  "S: a BAD A space is missing\n"
	                                  "C: a FETCH 1 BODY[HEADER.FIELDS ()]\n"
	                                  "S: a BAD An argument is missing\n"
	                                  "C: a FETCH 1 BODY[]<1>\n"
	                                  "S: a BAD Invalid arguments\n"
	                                  "C: a FETCH 1 BODY[]<1.0>\n"
	                                  "S: a BAD A partial fetch of nothing\n"
	                                  "C: a FETCH 1 FLAGS[]\n"
	                                  "S: a BAD Unknown FETCH item\n"
	                                  "C: a FETCH 1 RFC822.PEEK\n"
	                                  "S: a BAD Unknown FETCH item\n");
}
END_TEST

/* -- Sections ---------------------------------------------------------------------------- */

/* Sections of `tree` as RFC 3501 6.4.5 numbers them; NULL is NIL. */
static const struct {
	const char *section, *value;
} sections[] = {
	{ "BODY[1]", "one" },
	{ "BODY[2]", "two" },
	{ "BODY[1.MIME]", "\r\n" },
	{ "BODY[2.MIME]", "Content-Type: application/octet-stream\r\n\r\n" },
	{ "BODY[3.MIME]", "Content-Type: message/rfc822\r\n\r\n" },
	{ "BODY[HEADER]", "Subject: tree\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n" },
	{ "BODY[HEADER.FIELDS (SUBJECT)]", "Subject: tree\r\n\r\n" },
	{ "BODY[HEADER.FIELDS (subject content-type x)]",
	    "Subject: tree\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n" },
	{ "BODY[HEADER.FIELDS (Nothing)]", "\r\n" },
	{ "BODY[HEADER.FIELDS.NOT (Subject)]",
	    "Content-Type: multipart/mixed; boundary=a\r\n\r\n" },
	{ "BODY[HEADER.FIELDS.NOT (Subject Content-Type)]", "\r\n" },
	{ "BODY[3.HEADER]", "Subject: three\r\nX-More: folded\r\n line\r\n"
	                    "Content-Type: multipart/mixed; boundary=b\r\n\r\n" },
	{ "BODY[3.HEADER.FIELDS (X-More)]", "X-More: folded\r\n line\r\n\r\n" },
	{ "BODY[3.HEADER.FIELDS.NOT (X-More Content-Type)]", "Subject: three\r\n\r\n" },
	{ "BODY[3.TEXT]",
	    "--b\r\n\r\nthree.one\r\n--b\r\nContent-Type: application/octet-stream\r\n\r\n"
	    "three.two\r\n--b--" },
	{ "BODY[3.1]", "three.one" },
	{ "BODY[3.1.MIME]", "\r\n" },
	{ "BODY[3.2]", "three.two" },
	{ "BODY[4.1]", "four.one" },
	{ "BODY[4.1.MIME]", "Content-Type: image/gif\r\nContent-Id: <gif>\r\n\r\n" },
	{ "BODY[4.2]", "Subject: four.two\r\n\r\nfour.two text" },
	{ "BODY[4.2.HEADER]", "Subject: four.two\r\n\r\n" },
	{ "BODY[4.2.TEXT]", "four.two text" },
	{ "BODY[4.2.1]", "four.two text" },
	{ "BODY[5]", NULL },
	{ "BODY[1.1]", NULL },
	{ "BODY[1.HEADER]", NULL },
	{ "BODY[2.TEXT]", NULL },
	{ "BODY[4.2.2]", NULL },
	{ "BODY[99999.1.2.3.4]", NULL },
	{ "BODY[]", tree },
	{ "RFC822", tree },
	{ "RFC822.HEADER", "Subject: tree\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n" },
};

/* What a FETCH of one item answers. */
static struct msv_span fetch_one(struct rig *rig, const char *item)
{
	char command[300];

	snprintf(command, sizeof(command), "x FETCH 2 %s\r\n", item);
	msv_conn_input(rig->conns[0], command, strlen(command));
	msv_test_run(rig->test);
	return msv_test_take_output(rig->test, rig->conns[0]);
}

static void expect_value(
    struct rig *rig, const char *item, const char *label, const char *value, size_t n)
{
	char want[4096];
	int at = snprintf(want, sizeof(want), "* 2 FETCH (%s ", label);

	if (!value)
		at += snprintf(want + at, sizeof(want) - (size_t)at, "NIL");
	else if (!n)
		at += snprintf(want + at, sizeof(want) - (size_t)at, "\"\"");
	else
		at += snprintf(
		    want + at, sizeof(want) - (size_t)at, "{%zu}\r\n%.*s", n, (int)n, value);
	snprintf(want + at, sizeof(want) - (size_t)at, ")\r\nx OK FETCH completed\r\n");
	struct msv_span got = fetch_one(rig, item);
	ck_assert_str_eq(got.p, want);
}

static void open_read_only(struct rig *rig, bool late)
{
	rig_init(rig, late);
	prepare(rig);
	rig_connect(rig, 0);
	rig_say(rig, 0,
	    RIG_HELLO "C: a EXAMINE INBOX\n"
	              "S~\n"
	              "S: a OK [READ-ONLY] EXAMINE completed\n");
}

START_TEST(section_table)
{
	struct rig rig;

	open_read_only(&rig, _i);
	for (size_t i = 0; i < sizeof(sections) / sizeof(*sections); i++) {
		const char *value = sections[i].value;
		expect_value(&rig, sections[i].section, sections[i].section, value,
		    value ? strlen(value) : 0);
	}
	rig_fini(&rig);
}
END_TEST

/* Every section in many partial pieces. */
START_TEST(partial)
{
	struct rig rig;

	open_read_only(&rig, _i);
	for (size_t i = 0; i < sizeof(sections) / sizeof(*sections); i++) {
		const char *value = sections[i].value;
		if (!value || sections[i].section[0] != 'B')
			continue;
		size_t size = strlen(value);
		for (size_t first = 0; first < size + 3; first += size / 5 + 1) {
			size_t count = size / 3 + 1;
			size_t left = first < size ? size - first : 0;
			char item[200], label[200];
			snprintf(
			    item, sizeof(item), "%s<%zu.%zu>", sections[i].section, first, count);
			snprintf(label, sizeof(label), "%s<%zu>", sections[i].section, first);
			expect_value(&rig, item, label, first < size ? value + first : value,
			    left < count ? left : count);
		}
	}
	rig_fini(&rig);
}
END_TEST

/* Takes output until so many octets came. */
static void take(struct rig *rig, char *to, size_t n)
{
	for (size_t have = 0; have < n;) {
		struct msv_span out = msv_test_take_output(rig->test, rig->conns[0]);
		ck_assert_uint_gt(out.n, 0);
		ck_assert_uint_le(have + out.n, n);
		memcpy(to + have, out.p, out.n);
		have += out.n;
	}
}

/* A header too large to be kept is read twice, and nothing of it is missing. */
START_TEST(large_header)
{
	enum { FIELDS = 10000, SIZE = FIELDS * 40 };
	static char text[SIZE], value[SIZE], want[SIZE + 200], got[SIZE + 200];
	struct rig rig;
	size_t n = 0, size = 0;

	rig_init(&rig, _i);
	for (int i = 0; i < FIELDS; i++) {
		char *field = text + n;
		n += (size_t)sprintf(field, "X-%s: %d\r\n", i % 2 ? "Odd" : "Even", i);
		if (i % 2)
			size += (size_t)sprintf(value + size, "%s", field);
	}
	sprintf(text + n, "\r\nbody\r\n");
	size += (size_t)sprintf(value + size, "\r\n");
	ck_assert_uint_gt(size, 60000);
	rig_deliver(&rig, "INBOX", text);
	rig_connect(&rig, 0);
	rig_say(&rig, 0, RIG_HELLO RIG_SELECT("INBOX"));

	msv_conn_input(rig.conns[0], "a FETCH 1 BODY.PEEK[HEADER.FIELDS (X-Odd)]\r\n", 44);
	n = (size_t)sprintf(want,
	    "* 1 FETCH (BODY[HEADER.FIELDS (X-Odd)] {%zu}\r\n%s)\r\na OK FETCH completed\r\n", size,
	    value);
	take(&rig, got, n);
	ck_assert_mem_eq(got, want, n);

	msv_conn_input(
	    rig.conns[0], "b FETCH 1 BODY.PEEK[HEADER.FIELDS (X-Odd)]<50000.20>\r\n", 54);
	n = (size_t)sprintf(want,
	    "* 1 FETCH (BODY[HEADER.FIELDS (X-Odd)]<50000> {20}\r\n%.20s)\r\n"
	    "b OK FETCH completed\r\n",
	    value + 50000);
	take(&rig, got, n);
	ck_assert_mem_eq(got, want, n);
	rig_fini(&rig);
}
END_TEST

static void prepare_nul(struct rig *rig)
{
	rig_append(
	    rig, "INBOX", &(struct rig_message){ .text = "A: b\r\n\r\n\0x\0\r\n", .n = 13 }, 1);
	rig_append(rig, "INBOX", &(struct rig_message){ .text = "no body\r\n" }, 1);
}

/* A literal holds no NUL (RFC 3501 9). */
START_TEST(nul)
{
	rig_play(prepare_nul, RIG_HELLO RIG_SELECT("INBOX") "C: a FETCH 1 BODY.PEEK[TEXT]\n"
	                                                    "S: * 1 FETCH (BODY[TEXT] {5}\n"
	                                                    "S= \\x80x\\x80\\r\\n)\\r\\n\n"
	                                                    "S: a OK FETCH completed\n"
	                                                    "C: b FETCH 2 BODY.PEEK[TEXT]\n"
	                                                    "S: * 2 FETCH (BODY[TEXT] \"\")\n"
	                                                    "S: b OK FETCH completed\n");
}
END_TEST

/* -- \Seen --------------------------------------------------------------------------------- */

START_TEST(seen)
{
	rig_play(prepare,
	    RIG_HELLO RIG_SELECT("INBOX") "C: a FETCH 3 BODY.PEEK[TEXT]<0.1>\n"
	                                  "S: * 3 FETCH (BODY[TEXT]<0> \"\")\n"
	                                  "S: a OK FETCH completed\n"
	                                  "C: b FETCH 2:3 BODY[1]<0.1>\n"
	                                  "S: * 2 FETCH (BODY[1]<0> {1}\n"
	                                  "S: o FLAGS (\\Flagged \\Seen \\Recent $Junk))\n"
	                                  "S: * 3 FETCH (BODY[1]<0> \"\" FLAGS (\\Seen \\Recent))\n"
	                                  "S: b OK FETCH completed\n"
	                                  "C: c FETCH 2 BODY[1]<0.1>\n"
	                                  "S: * 2 FETCH (BODY[1]<0> {1}\n"
	                                  "S: o)\n"
	                                  "S: c OK FETCH completed\n"
	                                  "C: d STORE 2:3 -FLAGS.SILENT (\\Seen)\n"
	                                  "S: d OK STORE completed\n"
	                                  "C: e FETCH 2 (FLAGS BODY[1]<0.1>)\n"
	                                  "S: * 2 FETCH (FLAGS (\\Flagged \\Seen \\Recent $Junk) "
	                                  "BODY[1]<0> {1}\n"
	                                  "S: o)\n"
	                                  "S: e OK FETCH completed\n"
	                                  "C: f UID FETCH 3 (RFC822.TEXT)\n"
	                                  "S: * 3 FETCH (UID 3 RFC822.TEXT \"\" FLAGS (\\Seen "
	                                  "\\Recent))\n"
	                                  "S: f OK UID FETCH completed\n"
	                                  "C: g STORE 3 -FLAGS.SILENT (\\Seen)\n"
	                                  "S: g OK STORE completed\n"
	                                  "C: h FETCH 3 RFC822.HEADER\n"
	                                  "S: * 3 FETCH (RFC822.HEADER {16}\n"
	                                  "S: no header at all)\n"
	                                  "S: h OK FETCH completed\n"
	                                  "C: i EXAMINE INBOX\n"
	                                  "S~\n"
	                                  "S: i OK [READ-ONLY] EXAMINE completed\n"
	                                  "C: j FETCH 3 RFC822\n"
	                                  "S: * 3 FETCH (RFC822 {16}\n"
	                                  "S: no header at all)\n"
	                                  "S: j OK FETCH completed\n");
}
END_TEST

/* Names of fields as the client wrote them; and as many items as it likes, nearly. */
START_TEST(labels)
{
	struct rig rig;
	static char command[9000];

	open_read_only(&rig, false);
	rig_say(&rig, 0,
	    "C: a FETCH 2 BODY.PEEK[HEADER.FIELDS (SuBject \"X Y\" {1+}\n"
	    "C: z \"\")]\n"
	    "S: * 2 FETCH (BODY[HEADER.FIELDS (SuBject \"X Y\" z \"\")] {17}\n"
	    "S: Subject: tree\n"
	    "S: \n"
	    "S: )\n"
	    "S: a OK FETCH completed\n");
	strcpy(command, "b FETCH 1 (");
	for (int i = 0; i < 1001; i++)
		strcat(command, "BODY[] ");
	strcat(command, "UID)\r\n");
	msv_conn_input(rig.conns[0], command, strlen(command));
	rig_say(&rig, 0, "S: b BAD Too many FETCH items\n");
	strcpy(command, "c FETCH 1 BODY[1");
	for (int i = 0; i < 100; i++)
		strcat(command, ".1");
	strcat(command, "]\r\n");
	msv_conn_input(rig.conns[0], command, strlen(command));
	rig_say(&rig, 0, "S: c BAD A part number is too long\n");
	rig_fini(&rig);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("imap/fetch");
	TCase *tc = tcase_create("sections");

	check_case(s, "fetch", items, sets, mistakes, nul, seen, labels);
	tcase_add_loop_test(tc, section_table, 0, 2);
	tcase_add_loop_test(tc, partial, 0, 2);
	tcase_add_loop_test(tc, large_header, 0, 2);
	suite_add_tcase(s, tc);
	return check_main(s);
}
