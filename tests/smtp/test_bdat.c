/* BDAT (RFC 3030). */
#include "smtp/rig.h"

/* RFC 3030 4.1 and 4.2: chunks, and a last one that is empty. */
static void after_chunks(struct rig *rig)
{
	static const char text[] = "To: Susan\r\n\r\n.\r\n..\r\nlast\r\n";

	rig_expect_story(rig, "connect\n"
	                      "helo client.example\n"
	                      "mail <ann@client.example>\n"
	                      "rcpt 0 <bob@mx.example> bob at mx.example\n"
	                      "data\n"
	                      "done 26\n"
	                      "mail <>\n"
	                      "rcpt 0 <bob@mx.example> bob at mx.example\n"
	                      "data\n"
	                      "done 26\n");
	ck_assert_uint_eq(rig->nbody, sizeof(text) - 1);
	ck_assert_mem_eq(rig->body, text, rig->nbody);
}

START_TEST(chunks)
{
	rig_play(NULL,
	    ENVELOPE "C: BDAT 26 LAST\n"
	             "C: To: Susan\n"
	             "C:\n"
	             "C: .\n"
	             "C: ..\n"
	             "C: last\n"
	             "S: 250 2.0.0 message accepted\n"
	             "C: MAIL FROM:<>\n"
	             "S: 250 2.1.0 sender ok\n"
	             "C: RCPT TO:<bob@mx.example>\n"
	             "S: 250 2.1.5 recipient ok\n"
	             /* Cut between CR and LF, and behind a dot. */
	             "C: bdat  12\n"
	             "C= To: Susan\\r\\n\\r\n"
	             "S: 250 2.0.0 12 octets taken\n"
	             "C= BDAT 2\\r\\n\\n.BDAT 0\\r\\n\n"
	             "S: 250 2.0.0 2 octets taken\n"
	             "S: 250 2.0.0 0 octets taken\n"
	             "C: BDAT 12\n"
	             "C= \\r\\n..\\r\\nlast\\r\\n\n"
	             "S: 250 2.0.0 12 octets taken\n"
	             "C: BDAT 0 last\n"
	             "S: 250 2.0.0 message accepted\n"
	             "C: BDAT 4 LAST\n"
	             "C, abc.\n"
	             "S: 503 5.5.1 say MAIL first\n",
	    after_chunks);
}
END_TEST

/* Between chunks only BDAT, RSET and what does not touch the transaction. */
START_TEST(between_chunks)
{
	rig_play(NULL,
	    ENVELOPE "C: BDAT 3\n"
	             "C= a\\r\\n\n"
	             "S: 250 2.0.0 3 octets taken\n"
	             "C: DATA\n"
	             "S: 503 5.5.1 a message is coming in chunks\n"
	             "C: RCPT TO:<c@d>\n"
	             "S: 503 5.5.1 a message is coming in chunks\n"
	             "C: MAIL FROM:<c@d>\n"
	             "S: 503 5.5.1 a message is coming in chunks\n"
	             "C: NOOP\n"
	             "S: 250 2.0.0 ok\n"
	             "C: RSET\n"
	             "S: 250 2.0.0 ok\n"
	             "C: BDAT 0 LAST\n"
	             "S: 503 5.5.1 say MAIL first\n",
	    NULL);
}
END_TEST

/* The bytes of a chunk that is refused are not taken for commands. */
START_TEST(refused_chunks)
{
	rig_play(NULL,
	    GREETING "C: BDAT 6 LAST\n"
	             "C= QUIT\\r\\n\n"
	             "S: 503 5.5.1 say EHLO first\n"
	             "C: EHLO client.example\n"
	             "S~\n"
	             "S: 250 ENHANCEDSTATUSCODES\n"
	             "C: MAIL FROM:<a@b>\n"
	             "S: 250 2.1.0 sender ok\n"
	             "C: BDAT 6\n"
	             "C= QUIT\\r\\n\n"
	             "S: 503 5.5.1 no valid recipients\n"
	             "C: RCPT TO:<a@b>\n"
	             "S: 250 2.1.5 recipient ok\n",
	    NULL);
}
END_TEST

static void without(struct rig *rig)
{
	rig->config.no_chunking = true;
}

START_TEST(not_offered)
{
	rig_play(without,
	    GREETING "C: EHLO client.example\n"
	             "S: 250-mx.example\n"
	             "S: 250-PIPELINING\n"
	             "S: 250-SIZE 36700160\n"
	             "S: 250-8BITMIME\n"
	             "S: 250-SMTPUTF8\n"
	             "S: 250-LIMITS MAILMAX=100 RCPTMAX=1000\n"
	             "S: 250 ENHANCEDSTATUSCODES\n"
	             "C: BDAT 6 LAST\n"
	             "C= QUIT\\r\\n\n"
	             "S: 502 5.5.1 that command is not available\n",
	    NULL);
}
END_TEST

static void no_data(void *user, struct msv_conn *conn, struct msv_reply_op op)
{
	(void)conn;
	rig_answer(user, op, 450, "4.7.1", "greylisted");
}

static void refusing_data(struct rig *rig)
{
	rig->handler.data = no_data;
}

static void after_refusal(struct rig *rig)
{
	ck_assert_ptr_nonnull(strstr(rig->story, "reset refused\n"));
	ck_assert_ptr_null(strstr(rig->story, "done"));
}

/* The first chunk asks data(); its bytes go all the same, and so do those of
 * chunks already in the pipeline. */
START_TEST(data_refused)
{
	rig_play(refusing_data,
	    ENVELOPE "C: BDAT 6\n"
	             "C= QUIT\\r\\nBDAT 6 LAST\\r\\nQUIT\\r\\n\n"
	             "S: 450 4.7.1 greylisted\n"
	             "S: 503 5.5.1 say MAIL first\n"
	             "C: MAIL FROM:<a@b>\n"
	             "S: 250 2.1.0 sender ok\n",
	    after_refusal);
}
END_TEST

static void small(struct rig *rig)
{
	rig->config.message_octets_max = 8;
}

/* RFC 3030 2: after a failure the chunks in the pipeline are read and dropped. */
START_TEST(errors_midway)
{
	rig_play(small,
	    ENVELOPE "C: BDAT 7\n"
	             "C= 12345\\r\\n\n"
	             "S: 250 2.0.0 7 octets taken\n"
	             "C= BDAT 6\\r\\nQUIT\\r\\nBDAT 6\\r\\nQUIT\\r\\nBDAT 0 LAST\\r\\n\n"
	             "S: 552 5.3.4 the message is larger than this server takes\n"
	             "S: 503 5.5.1 say MAIL first\n"
	             "S: 503 5.5.1 say MAIL first\n"
	             "C: RSET\n"
	             "S: 250 2.0.0 ok\n"
	             "C: MAIL FROM:<a@b>\n"
	             "S: 250 2.1.0 sender ok\n",
	    after_refusal);
	/* One gigantic chunk needs no memory. */
	rig_play(small,
	    ENVELOPE "C: BDAT 18446744073709551615 LAST\n"
	             "C: 1234567890\n"
	             "E:\n"
	             "X:\n",
	    after_refusal);
}
END_TEST

/* Where a chunk ends must be known: else nothing more is read. */
START_TEST(senseless_sizes)
{
	static const char *const sizes[] = { "18446744073709551616", "99999999999999999999999",
		"-1", "+1", "0x10", "1 LAST x", "1 FIRST", "1,0", "LAST", "1LAST", "" };
	char script[1024];

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		snprintf(script, sizeof(script),
		    "%sC: BDAT %s\n"
		    "C: MAIL FROM:<evil@client.example>\n"
		    "S* 501 5.5.4 *\n"
		    "S: 421 4.7.0 what follows cannot be told from commands\n"
		    "X:\n",
		    ENVELOPE, sizes[i]);
		rig_play(NULL, script, NULL);
	}
	rig_play(NULL,
	    ENVELOPE "C= BDAT 10\\nQUIT\\r\\n\n"
	             "S: 500 5.5.2 lines must end in CRLF, not in LF alone\n"
	             "S: 421 4.7.0 what follows cannot be told from commands\n"
	             "X:\n",
	    NULL);
	rig_play(NULL,
	    ENVELOPE "C= BDAT \\x0110\\r\\nQUIT\\r\\n\n"
	             "S: 500 5.5.2 control characters are not allowed\n"
	             "S: 421 4.7.0 what follows cannot be told from commands\n"
	             "X:\n",
	    NULL);
}
END_TEST

START_TEST(long_bdat)
{
	static char script[8000];
	size_t n = (size_t)snprintf(script, sizeof(script), "%sC: BDAT ", ENVELOPE);

	memset(script + n, '0', 3000);
	snprintf(script + n + 3000, sizeof(script) - n - 3000,
	    "\nC: QUIT\n"
	    "S: 500 5.5.2 that line is too long\n"
	    "S: 421 4.7.0 what follows cannot be told from commands\n"
	    "X:\n");
	rig_play(NULL, script, NULL);
}
END_TEST

/* The octets of chunks are looked at as those of DATA are. */
START_TEST(lone_line_ends)
{
	rig_play(NULL,
	    ENVELOPE "C: BDAT 4\n"
	             "C= a\\nb\\r\n"
	             "S: 550 5.6.0 the message has an LF without CR in it\n"
	             "C: BDAT 0 LAST\n"
	             "S: 503 5.5.1 say MAIL first\n",
	    after_refusal);
	rig_play(NULL,
	    ENVELOPE "C: BDAT 4 LAST\n"
	             "C= abc\\r\n"
	             "S: 550 5.6.0 the message has a CR without LF in it\n",
	    after_refusal);
}
END_TEST

static void after_gone(struct rig *rig)
{
	ck_assert_str_eq(rig->story + rig->story_len - 11, "reset gone\n");
}

START_TEST(gone_midway)
{
	rig_play(NULL,
	    ENVELOPE "C: BDAT 40 LAST\n"
	             "C: half a chunk\n"
	             "E:\n"
	             "X:\n",
	    after_gone);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("smtp/bdat");

	check_case(s, "chunks", chunks, between_chunks, lone_line_ends, gone_midway);
	check_case(s, "refused", refused_chunks, not_offered, data_refused, errors_midway);
	check_case(s, "sizes", senseless_sizes, long_bdat);
	return check_main(s);
}
