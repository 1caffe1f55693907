/* Notifications as they are written: their fields, their words, what goes back. */
#include "codec/utf8.h"
#include "dsn_sample.h"
#include "message/parsing.h"

static struct sample_message message;
static bool is_8bit, is_smtputf8;

/* The whole notification as a string; out keeps it. */
static const char *written(const struct msv_dsn *dsn)
{
	msv_buf_clear(&out);
	message.calls = 0;
	ck_assert_int_eq(sample_write(env, dsn, &out, &is_8bit, &is_smtputf8), 0);
	return msv_buf_cstr(&out);
}

static struct msv_dsn dsn_of(const char *text, size_t n)
{
	message = (struct sample_message){ .p = text, .n = n };
	return sample_dsn(&message);
}

/* One recipient instead of those of the sample. */
static struct msv_dsn dsn_for(const struct msv_dsn_recipient *recipient)
{
	struct msv_dsn dsn = dsn_of(sample_text, sizeof sample_text - 1);

	dsn.recipients = recipient;
	dsn.nrecipients = 1;
	dsn.envid = NULL;
	return dsn;
}

#define HAS(text, what)   ck_assert_msg(strstr((text), (what)), "%s\nlacks: %s", (text), (what))
#define LACKS(text, what) ck_assert_msg(!strstr((text), (what)), "%s\nhas: %s", (text), (what))

/* -- The whole --------------------------------------------------------------------- */

START_TEST(header)
{
	struct msv_dsn dsn = dsn_of(sample_text, sizeof sample_text - 1);
	const char *text = written(&dsn);

	HAS(text, "From: Mail Delivery System <MAILER-DAEMON@mx.example.org>\r\n"
	          "To: <ann@example.org>\r\n"
	          "Subject: Your message could not be delivered\r\n"
	          "Date: Thu, 26 Nov 2026 20:00:00 +0000\r\n"
	          "Message-ID: <");
	HAS(text, "In-Reply-To: <one@example.org>\r\n"
	          "References: <one@example.org>\r\n"
	          "Auto-Submitted: auto-replied\r\n"
	          "MIME-Version: 1.0\r\n"
	          "Content-Type: multipart/report; report-type=delivery-status;\r\n");
	ck_assert(!is_8bit && !is_smtputf8);
}
END_TEST

START_TEST(fields)
{
	struct msv_dsn dsn = dsn_of(sample_text, sizeof sample_text - 1);

	dsn.hold = "for;60";
	HAS(written(&dsn),
	    "Content-Type: message/delivery-status\r\n"
	    "Content-Transfer-Encoding: 7bit\r\n"
	    "\r\n"
	    "Original-Envelope-Id: QQ314159  x\r\n"
	    "Reporting-MTA: dns; mx.example.org\r\n"
	    "Arrival-Date: Sun, 22 Nov 2026 20:00:00 +0000\r\n"
	    "Future-Release-Request: for;60\r\n"
	    "\r\n"
	    "Original-Recipient: rfc822;Bob+x@Example.com\r\n"
	    "Final-Recipient: rfc822;bob@example.com\r\n"
	    "Action: failed\r\n"
	    "Status: 5.1.1\r\n"
	    "Remote-MTA: dns; mx1.example.com\r\n"
	    "Diagnostic-Code: smtp; 550 5.1.1 <bob@example.com>: Recipient address\r\n"
	    " rejected: User unknown in virtual mailbox table\r\n"
	    "Last-Attempt-Date: Sun, 22 Nov 2026 20:01:40 +0000\r\n"
	    "\r\n"
	    "Final-Recipient: rfc822;carol@dead.example\r\n"
	    "Action: failed\r\n"
	    "Status: 4.4.1\r\n"
	    "Remote-MTA: dns; mail.dead.example\r\n"
	    "Diagnostic-Code: x-libmailserv; 451 4.4.1 Connection timed out\r\n"
	    "Last-Attempt-Date: Thu, 26 Nov 2026 20:00:00 +0000\r\n"
	    "\r\n"
	    "Final-Recipient: rfc822;dave@example.net\r\n"
	    "Action: delayed\r\n"
	    "Status: 4.3.1\r\n"
	    "Remote-MTA: dns; mx.example.net\r\n"
	    "Diagnostic-Code: smtp; 452 the mailbox is full\r\n"
	    "Last-Attempt-Date: Mon, 23 Nov 2026 00:00:00 +0000\r\n"
	    "Will-Retry-Until: Thu, 26 Nov 2026 20:00:00 +0000\r\n"
	    "\r\n"
	    "Final-Recipient: rfc822;eve@example.org\r\n"
	    "Action: delivered\r\n"
	    "Status: 2.1.5\r\n"
	    "\r\n"
	    "--");
}
END_TEST

START_TEST(words)
{
	struct msv_dsn dsn = dsn_of(sample_text, sizeof sample_text - 1);
	const char *text = written(&dsn);

	HAS(text, "Your message could not be delivered to these recipients, and it will not be\r\n"
	          "tried again.\r\n"
	          "\r\n"
	          "  <bob@example.com>\r\n"
	          "\r\n"
	          "    There is no mailbox of that name at example.com.\r\n"
	          "\r\n"
	          "    Check the address for typing mistakes, a letter left out or one too\r\n"
	          "    many. If it is right, ask the person in another way which address to use\r\n"
	          "    now.\r\n"
	          "\r\n"
	          "    In the words of the server mx1.example.com:\r\n"
	          "      550 5.1.1 <bob@example.com>: Recipient address rejected: User unknown\r\n"
	          "      in virtual mailbox table\r\n"
	          "\r\n"
	          "  <carol@dead.example>\r\n"
	          "\r\n"
	          "    The mail server for dead.example did not answer for 4 days.\r\n");
	HAS(text, "    In the words of our server:\r\n"
	          "      451 4.4.1 Connection timed out\r\n");
	HAS(text, "If it cannot be delivered by Thu, 26 Nov 2026 20:00:00 +0000, you will be\r\n"
	          "told.\r\n"
	          "\r\n"
	          "  <dave@example.net>\r\n");
	HAS(text, "Your message was delivered to this recipient.\r\n"
	          "\r\n"
	          "  <eve@example.org>\r\n");
	HAS(text, "  Subject: Lunch\r\n"
	          "  Came in: Sun, 22 Nov 2026 20:00:00 +0000\r\n"
	          "  Message-ID: <one@example.org>\r\n"
	          "\r\n"
	          "The header of your message is attached.\r\n");
	HAS(text, "people who can help are at postmaster@example.org.\r\n");
}
END_TEST

/* Whatever pieces the message comes in, and whether it pauses. */
START_TEST(pieces)
{
	struct msv_dsn dsn = dsn_of(sample_text, sizeof sample_text - 1);
	static char first[16384];

	dsn.full = true;
	for (size_t piece = 0; piece < 40; piece++) {
		struct msv_test_env *another;
		ck_assert_int_eq(msv_test_env_new(1, &another), 0);
		struct msv_buf text;
		msv_buf_init(&text, msv_test_env(another));
		message.piece = piece;
		message.pauses = piece % 2;
		message.calls = 0;
		ck_assert_int_eq(sample_write(msv_test_env(another), &dsn, &text, NULL, NULL), 0);
		if (piece == 0)
			snprintf(first, sizeof first, "%s", msv_buf_cstr(&text));
		ck_assert_str_eq(msv_buf_cstr(&text), first);
		msv_buf_fini(&text);
		ck_assert_uint_eq(msv_test_env_free(another), 0);
	}
}
END_TEST

/* -- What goes back ------------------------------------------------------------------ */

START_TEST(all_or_header)
{
	struct msv_dsn dsn = dsn_of(sample_text, sizeof sample_text - 1);
	const char *text = written(&dsn);

	HAS(text, "Content-Type: text/rfc822-headers\r\n");
	HAS(text, "\r\nSubject: Lunch\r\n\r\n--");
	LACKS(text, "At noon?");
	dsn.full = true;
	text = written(&dsn);
	HAS(text, "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 7bit\r\n");
	HAS(text, "\r\nSubject: Lunch\r\n\r\nAt noon?\r\n.\r\n--\r\nAnn\r\n\r\n--");
	HAS(text, "Your message is attached.\r\n");
	/* RFC 8689 5. */
	dsn.requiretls = true;
	LACKS(written(&dsn), "At noon?");
	dsn.requiretls = false;
	/* Too large by one. */
	dsn.full_max = sizeof sample_text - 1;
	HAS(written(&dsn), "At noon?");
	dsn.full_max = sizeof sample_text - 2;
	LACKS(written(&dsn), "At noon?");
	dsn.full_max = 0;
	/* RFC 3461 6.2: nothing failed. */
	dsn.recipients += 2;
	dsn.nrecipients = 2;
	text = written(&dsn);
	LACKS(text, "At noon?");
	HAS(text, "Subject: Your message is delayed\r\n");
	dsn.read = NULL;
	text = written(&dsn);
	LACKS(text, "rfc822-headers");
	LACKS(text, "attached");
}
END_TEST

static const char utf8_text[] = "Subject: Gr\xc3\xbc\xc3\x9f"
                                "e\r\nMessage-ID: <a@b>\r\n\r\n"
                                "J\xc3\xb6rg\r\n";
static const char latin1_text[] = "Subject: Gr\xfc\xdf"
                                  "e\r\n\r\nJ\xf6rg\r\n";
static const char body_text[] = "Subject: x\r\n\r\nJ\xc3\xb6rg\r\n";

/* All is 7-bit where that can be (RFC 6522 3, RFC 6533 4.4). */
START_TEST(eight_bit)
{
	static const struct {
		const char *text;
		bool full;
		const char *type, *encoding, *shows;
		bool is_8bit;
	} table[] = {
		{ utf8_text, false, "message/global-headers", "quoted-printable",
		    "Subject: Gr=C3=BC=C3=9Fe\r\n", false },
		{ utf8_text, true, "message/global", "quoted-printable", "\r\nJ=C3=B6rg\r\n",
		    false },
		{ latin1_text, false, "text/rfc822-headers", "quoted-printable",
		    "Subject: Gr=FC=DFe\r\n", false },
		/* What the header is nobody knows: it goes back encoded, alone. */
		{ latin1_text, true, "text/rfc822-headers", "quoted-printable",
		    "Subject: Gr=FC=DFe\r\n", false },
		{ body_text, false, "text/rfc822-headers", "7bit", "Subject: x\r\n", false },
		{ body_text, true, "message/rfc822", "8bit", "\r\nJ\xc3\xb6rg\r\n", true },
	};

	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		struct msv_dsn dsn = dsn_of(table[i].text, strlen(table[i].text));
		char part[200];
		dsn.full = table[i].full;
		const char *text = written(&dsn);
		snprintf(part, sizeof part,
		    "Content-Type: %s\r\nContent-Transfer-Encoding: %s\r\n\r\n", table[i].type,
		    table[i].encoding);
		HAS(text, part);
		HAS(text, table[i].shows);
		ck_assert_int_eq(is_8bit, table[i].is_8bit);
		ck_assert(!is_smtputf8);
		/* RFC 2045 6.4: the whole says so too. */
		HAS(text, is_8bit ? "\"\r\nContent-Transfer-Encoding: 8bit\r\n"
		                  : "\"\r\nContent-Transfer-Encoding: 7bit\r\n");
		if (!is_8bit)
			ck_assert(msv_ascii_only(text, strlen(text)));
	}
}
END_TEST

/* RFC 6533: addresses beyond ASCII for who knows them, and for who does not. */
START_TEST(internationalized)
{
	static const struct msv_dsn_recipient recipient = { .action = MSV_DSN_FAILED,
		.address = "j\xc3\xb6rg@\xc3\xa4.example",
		.orcpt = "utf-8;j\xc3\xb6+b@\xc3\xa4.example",
		.code = 550,
		.text = "nobody" };
	struct msv_dsn dsn = dsn_for(&recipient);
	const char *text = written(&dsn);

	HAS(text, "Original-Recipient: utf-8;j\\x{F6}\\x{2B}b@\\x{E4}.example\r\n"
	          "Final-Recipient: utf-8;j\\x{F6}rg@\\x{E4}.example\r\n");
	HAS(text, "Content-Type: message/delivery-status\r\n");
	HAS(text, "<j=C3=B6rg@=C3=A4.example>");
	ck_assert(msv_ascii_only(text, strlen(text)) && !is_8bit && !is_smtputf8);

	dsn = dsn_of(utf8_text, sizeof utf8_text - 1);
	dsn.recipients = &recipient;
	dsn.nrecipients = 1;
	dsn.to = "\xc3\xa4nn@example.org";
	text = written(&dsn);
	HAS(text, "To: <\xc3\xa4nn@example.org>\r\n");
	HAS(text, "Content-Type: message/global-delivery-status\r\n"
	          "Content-Transfer-Encoding: 8bit\r\n");
	HAS(text, "Original-Recipient: utf-8;j\xc3\xb6+b@\xc3\xa4.example\r\n"
	          "Final-Recipient: utf-8;j\xc3\xb6rg@\xc3\xa4.example\r\n");
	HAS(text, "Content-Type: message/global-headers\r\n"
	          "Content-Transfer-Encoding: 8bit\r\n");
	ck_assert(is_8bit && is_smtputf8);
}
END_TEST

/* A message that is not in order goes back in order: no lone CR or LF, no NUL, an end
 * to the last line. */
START_TEST(line_ends)
{
	static const char untidy[] = "Subject: a\nX: b\rc\r\r\nY: d\r\n\r\nlone\rcr\0nul\nend";
	struct msv_dsn dsn = dsn_of(untidy, sizeof untidy - 1);

	dsn.full = true;
	for (message.piece = 1; message.piece < 12; message.piece++) {
		const char *text = written(&dsn);
		HAS(text, "\r\n\r\nSubject: a\r\nX: b\r\nc\r\n\r\nY: "
		          "d\r\n\r\nlone\r\ncrnul\r\nend\r\n\r\n--");
		ck_assert_uint_eq(strlen(text), msv_buf_len(&out));
		for (const char *p = text; *p; p++)
			ck_assert(*p != '\n' || p[-1] == '\r');
		for (const char *p = text; *p; p++)
			ck_assert(*p != '\r' || p[1] == '\n');
	}
}
END_TEST

/* A header that never ends goes back as far as is reasonable. */
START_TEST(long_header)
{
	size_t n = 1000000;
	char *text = malloc(n);

	for (size_t i = 0; i < n; i++)
		text[i] = "X-Long: this field and all others\r\n"[i % 35];
	struct msv_dsn dsn = dsn_of(text, n);
	message.piece = 1000;
	ck_assert_uint_lt(strlen(written(&dsn)), 300000);
	ck_assert_uint_gt(msv_buf_len(&out), 256000);
	free(text);
}
END_TEST

/* Nothing of the message's size is in memory. */
START_TEST(memory)
{
	size_t n = 8000000, total = 0;
	char *text = malloc(n);
	struct msv_dsn_writer *writer;
	struct msv_span piece;

	memset(text, 'x', n);
	memcpy(text, "Subject: \xc3\xa4\r\n\r\n", 15);
	for (size_t i = 99; i < n; i += 100)
		text[i] = '\n';
	struct msv_dsn dsn = dsn_of(text, n);
	dsn.full = true;
	dsn.full_max = n;
	ck_assert_int_eq(msv_dsn_writer_new(env, &dsn, &writer), 0);
	do {
		ck_assert_int_eq(msv_dsn_next(writer, &piece), 0);
		total += piece.n;
	} while (piece.n);
	msv_dsn_writer_free(writer);
	ck_assert_uint_gt(total, n);
	ck_assert_uint_lt(msv_test_memory_peak(test), 1000000);
	free(text);
}
END_TEST

/* -- Hostile words ------------------------------------------------------------------------- */

/* Counts lines that begin with a word. */
static size_t lines_with(const char *text, const char *word)
{
	size_t n = 0;

	for (const char *p = text; p; p = strchr(p, '\n'), p = p ? p + 1 : NULL)
		n += strncmp(p, word, strlen(word)) == 0;
	return n;
}

START_TEST(nothing_is_injected)
{
	static const char evil[] =
	    "x\r\n\r\nInjected: yes\nInjected: yes\rInjected: yes\x0b"
	    "Injected: yes\xe2\x80\xa8Injected: yes\xc2\x85Injected: \x80\xff";
	struct msv_dsn_recipient recipient = { .action = MSV_DSN_FAILED,
		.address = evil,
		.orcpt = evil,
		.code = 550,
		.status = evil,
		.text = evil,
		.remote = true,
		.host = evil,
		.words = evil };
	char message_text[400];
	int n = snprintf(message_text, sizeof message_text,
	    "Message-ID: <a@b>\rInjected: yes\r\nMessage-ID: <a b@c>\r\nSubject: %s\r\n\r\n",
	    "=?utf-8?q?x=0D=0AInjected=3A=20yes?=");
	struct msv_dsn dsn = dsn_of(message_text, (size_t)n);

	dsn.envid = dsn.hold = evil;
	dsn.recipients = &recipient;
	dsn.nrecipients = 1;
	for (int way = 0; way < 4; way++) {
		char orcpt[300];
		dsn.to = way % 2 ? "\xc3\xa4\r\nInjected: yes" : evil;
		snprintf(orcpt, sizeof orcpt, "utf-8;%s", evil);
		recipient.orcpt = way / 2 ? orcpt : evil;
		const char *text = written(&dsn);
		/* The copy of the header has the one that was in it. */
		ck_assert_uint_eq(lines_with(text, "Injected"), 1);
		ck_assert_uint_eq(lines_with(text, "From:"), 1);
		LACKS(text, "In-Reply-To");
		LACKS(text, "\xe2\x80\xa8");
		ck_assert_uint_eq(strlen(text), msv_buf_len(&out));
		for (const char *p = text; *p; p++)
			ck_assert((unsigned char)*p >= 32 || *p == '\r' || *p == '\n');
	}
}
END_TEST

/* Lines stay lines whatever the length of a word. */
START_TEST(long_words)
{
	static char word[20000];
	struct msv_dsn_recipient recipient = { .action = MSV_DSN_FAILED,
		.address = word,
		.orcpt = word,
		.code = 550,
		.text = word,
		.remote = true,
		.host = word };
	struct msv_dsn dsn = dsn_for(&recipient);

	memset(word, 'w', sizeof word - 1);
	memcpy(word, "rfc822;", 7);
	dsn.envid = dsn.hold = word;
	const char *text = written(&dsn);
	for (const char *p = text, *end; *p; p = end + 2) {
		end = strstr(p, "\r\n");
		ck_assert_ptr_nonnull(end);
		ck_assert_uint_le((size_t)(end - p), 998);
	}
	ck_assert_uint_lt(msv_buf_len(&out), 40000);
}
END_TEST

/* -- Status ------------------------------------------------------------------------------------ */

START_TEST(status)
{
	static const struct {
		enum msv_dsn_action action;
		int code;
		const char *status, *text;
		const char *shows;
	} table[] = {
		{ MSV_DSN_FAILED, 550, "5.1.1", "x", "Status: 5.1.1\r\n" },
		{ MSV_DSN_FAILED, 550, NULL, "5.7.1 x", "Status: 5.7.1\r\n" },
		{ MSV_DSN_FAILED, 550, "", "550 5.7.1 x", "smtp; 550 5.7.1 x\r\n" },
		{ MSV_DSN_FAILED, 550, NULL, "550 x", "smtp; 550 x\r\n" },
		{ MSV_DSN_FAILED, 550, "4.2.2", "x", "Status: 5.0.0\r\n" },
		{ MSV_DSN_FAILED, 552, "2.0.0", "x", "Status: 5.2.2\r\n" },
		{ MSV_DSN_FAILED, 0, NULL, NULL, "Status: 5.0.0\r\n" },
		{ MSV_DSN_FAILED, 0, "4.4.7", NULL, "Status: 4.4.7\r\n" },
		{ MSV_DSN_FAILED, 250, "2.0.0", "x", "Status: 5.0.0\r\n" },
		{ MSV_DSN_DELAYED, 0, "5.2.2", NULL, "Status: 4.2.2\r\n" },
		{ MSV_DSN_DELAYED, 451, NULL, "x", "Status: 4.0.0\r\n" },
		{ MSV_DSN_DELIVERED, 0, NULL, NULL, "Status: 2.0.0\r\n" },
		{ MSV_DSN_RELAYED, 250, "2.6.4", "x", "Status: 2.6.4\r\n" },
		{ MSV_DSN_EXPANDED, 0, "5.1.1", NULL, "Status: 2.0.0\r\n" },
	};

	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		struct msv_dsn_recipient recipient = { .action = table[i].action,
			.address = "a@b",
			.code = table[i].code,
			.status = table[i].status,
			.text = table[i].text,
			.remote = true };
		struct msv_dsn dsn = dsn_for(&recipient);
		HAS(written(&dsn), table[i].shows);
	}
}
END_TEST

/* There is something to say of every status there can be, in whole sentences. */
START_TEST(words_for_all)
{
	for (unsigned kind = 4; kind <= 5; kind++)
		for (unsigned subject = 0; subject < 12; subject++)
			for (unsigned detail = 0; detail < 40; detail++) {
				struct msv_status s = { (uint8_t)kind, (uint16_t)subject,
					(uint16_t)detail };
				struct msv_dsn_words w = msv_dsn_words(&s, MSV_DSN_FAILED);
				ck_assert_int_eq(w.what[strlen(w.what) - 1], '.');
				ck_assert_int_eq(w.advice[strlen(w.advice) - 1], '.');
				ck_assert_str_eq(msv_dsn_words(&s, MSV_DSN_DELAYED).advice, "");
			}
	struct msv_status unknown = { 5, 1, 1 }, other = { 5, 1, 77 };
	ck_assert_str_ne(msv_dsn_words(&unknown, MSV_DSN_FAILED).what,
	    msv_dsn_words(&other, MSV_DSN_FAILED).what);
}
END_TEST

/* What matters most has words of its own. */
START_TEST(words_in_place)
{
	static const struct {
		const char *status, *says;
	} table[] = {
		{ "5.1.1", "There is no mailbox of that name at example.com." },
		{ "5.1.2", "The domain example.com does not exist, or has no mail server." },
		{ "5.1.10", "The domain example.com takes no mail at all." },
		{ "5.2.2", "The mailbox is full." },
		{ "5.2.3", "The message is larger than this mailbox may take." },
		{ "5.3.4", "The message is larger than the server for example.com takes." },
		{ "4.4.1", "The mail server for example.com did not answer for 2 hours." },
		{ "5.4.6", "The message went round in circles between mail servers" },
		{ "5.7.1", "The server for example.com refused the message: it takes it for" },
		{ "5.7.10", "does not offer the protected connection" },
		{ "5.7.23", "does not believe that the message comes from" },
		{ "5.7.30", "The message asked for protected connections (TLS) all the way" },
	};

	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		struct msv_dsn_recipient recipient = { .action = MSV_DSN_FAILED,
			.address = "bob@example.com",
			.status = table[i].status,
			.last_attempt = 1795377600 + 2 * 3600 + 59 };
		struct msv_dsn dsn = dsn_for(&recipient);
		HAS(written(&dsn), table[i].says);
	}
}
END_TEST

START_TEST(words_given)
{
	struct msv_dsn_recipient recipient = { .action = MSV_DSN_FAILED,
		.address = "list@example.com",
		.code = 550,
		.words = "The program behind %d this address failed." };
	struct msv_dsn dsn = dsn_for(&recipient);

	HAS(written(&dsn), "    The program behind %d this address failed.\r\n\r\nThe message:");
}
END_TEST

/* -- Failures ---------------------------------------------------------------------------------- */

START_TEST(incomplete)
{
	struct msv_dsn_recipient recipient = { .action = MSV_DSN_UNKNOWN, .address = "a@b" };
	struct msv_dsn dsn = dsn_for(&recipient);
	struct msv_dsn_writer *writer;

	ck_assert_int_eq(msv_dsn_writer_new(env, &dsn, &writer), MSV_ERR_INVAL);
	recipient = (struct msv_dsn_recipient){ .action = MSV_DSN_FAILED };
	ck_assert_int_eq(msv_dsn_writer_new(env, &dsn, &writer), MSV_ERR_INVAL);
	recipient.address = "a@b";
	dsn.to = ""; /* never to the null reverse-path */
	ck_assert_int_eq(msv_dsn_writer_new(env, &dsn, &writer), MSV_ERR_INVAL);
	dsn.to = "a@b";
	dsn.host = NULL;
	ck_assert_int_eq(msv_dsn_writer_new(env, &dsn, &writer), MSV_ERR_INVAL);
	dsn.host = "localhost";
	dsn.nrecipients = 0;
	ck_assert_int_eq(msv_dsn_writer_new(env, &dsn, &writer), MSV_ERR_INVAL);
	dsn.nrecipients = 1;
	HAS(written(&dsn), "Reporting-MTA: x-local-hostname; localhost\r\n");
}
END_TEST

START_TEST(unreadable)
{
	struct msv_dsn dsn = dsn_of(sample_text, sizeof sample_text - 1);

	message.piece = 100;
	message.error = MSV_ERR_IO;
	ck_assert_int_eq(sample_write(env, &dsn, &out, NULL, NULL), MSV_ERR_IO);
}
END_TEST

static int write_something(void)
{
	struct msv_dsn dsn = dsn_of(utf8_text, sizeof utf8_text - 1);

	dsn.full = true;
	message.piece = 20;
	int rc = sample_write(env, &dsn, &out, NULL, NULL);
	msv_buf_fini(&out);
	return rc;
}

static int write_utf8(void)
{
	static const struct msv_dsn_recipient recipient = { .action = MSV_DSN_FAILED,
		.address = "j\xc3\xb6rg@\xc3\xa4.example",
		.orcpt = "utf-8;j\xc3\xb6+b@\xc3\xa4.example",
		.words = "Words." };
	struct msv_dsn dsn = dsn_for(&recipient);
	dsn.to = recipient.address;
	int rc = sample_write(env, &dsn, &out, NULL, NULL);
	msv_buf_fini(&out);
	return rc;
}

START_TEST(no_memory)
{
	fail_each_alloc(write_something);
	fail_each_alloc(write_utf8);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("message/dsn");

	buf_case(s, "whole", header, fields, words, pieces);
	buf_case(s, "message", all_or_header, eight_bit, internationalized, line_ends, long_header,
	    memory);
	buf_case(s, "hostile", nothing_is_injected, long_words);
	buf_case(s, "status", status, words_for_all, words_in_place, words_given);
	buf_case(s, "failures", incomplete, unreadable, no_memory);
	return check_main(s);
}
