/* Every allocation of whole sessions fails in turn: what is said stays a
 * protocol, no transaction is forgotten, no memory is lost. */
#include "smtp/rig.h"

/* The peer's side of sessions that together use every part. */
static const char mx[] =
    "HELO c\r\n"
    "EHLO client.example\r\n"
    "MAIL FROM:<@r.example:ann@client.example> SIZE=100 BODY=8BITMIME SMTPUTF8 RET=HDRS "
    "ENVID=x\r\n"
    "RCPT TO:<bob@mx.example> NOTIFY=SUCCESS,FAILURE ORCPT=utf-8;b\\x{F6}b@mx.example\r\n"
    "RCPT TO:<nobody@mx.example>\r\n"
    "RCPT TO:<long@mx.example>\r\n"
    "DATA\r\n"
    "Received: one\r\n\r\n..text\r\n.\r\n"
    "VRFY ann\r\n"
    "MAIL FROM:<>\r\n"
    "RCPT TO:<bob@mx.example>\r\n"
    "BDAT 5\r\ntext\r"
    "BDAT 6 LAST\r\n\ntext\r"
    "MAIL FROM:<>\r\n"
    "RSET\r\n"
    "BDAT 4 LAST\r\nQUIT"
    "WRONG\r\n"
    "STARTTLS\r\n"
    "QUIT\r\n";
static const char submission[] = "EHLO client.example\r\n"
                                 "AUTH PLAIN AHRpbQB3cm9uZw==\r\n"
                                 "AUTH LOGIN\r\n"
                                 "dGlt\r\n"
                                 "dGFuc3RhYWZ0YW5zdGFhZg==\r\n"
                                 "MAIL FROM:<tim@mx.example> AUTH=tim@mx.example\r\n"
                                 "RCPT TO:<far@away.example>\r\n"
                                 "DATA\r\n"
                                 "text\r\n"
                                 ".\r\n"
                                 "QUIT\r\n";
static const char lmtp[] = "LHLO client.example\r\n"
                           "MAIL FROM:<ann@client.example>\r\n"
                           "RCPT TO:<bob@mx.example>\r\n"
                           "RCPT TO:<eve@mx.example>\r\n"
                           "RCPT TO:<joe@mx.example>\r\n"
                           "DATA\r\n"
                           "text\r\n"
                           ".\r\n"
                           "QUIT\r\n";

static const struct play {
	enum msv_smtp_role role;
	const char *text;
	const char *last; /* what is said last when all is well */
} plays[] = {
	{ MSV_SMTP_MX, mx, "221 2.0.0 bye\r\n" },
	{ MSV_SMTP_SUBMISSION, submission, "250 2.0.0 message accepted\r\n221 2.0.0 bye\r\n" },
	{ MSV_SMTP_LMTP, lmtp,
	    "250 2.0.0 message accepted\r\n452 4.2.2 second mailbox is full\r\n"
	    "250 2.0.0 message accepted\r\n221 2.0.0 bye\r\n" },
};

/* Every line of a server's begins with a code. */
static void check_lines(const char *p)
{
	while (*p) {
		const char *end = strstr(p, "\r\n");
		ck_assert_ptr_nonnull(end);
		ck_assert_msg(
		    strspn(p, "0123456789") == 3 && (p[3] == ' ' || p[3] == '-'), "%s", p);
		p = end + 2;
	}
}

static void give(struct rig *rig, const char *text, size_t step, char *out, size_t size)
{
	size_t n = strlen(text), at = 0, written = 0;

	for (;;) {
		struct msv_span more = msv_test_take_output(rig->test, rig->conn);
		ck_assert_uint_lt(written + more.n, size);
		memcpy(out + written, more.p, more.n);
		written += more.n;
		out[written] = '\0';
		if (at == n || msv_conn_want(rig->conn) & MSV_WANT_CLOSE)
			break;
		size_t piece = step < n - at ? step : n - at;
		msv_conn_input(rig->conn, text + at, piece);
		at += piece;
	}
}

/* One session with the failure; returns how many allocations it asked for. */
static uint64_t play_once(
    const struct play *play, size_t step, bool late, uint64_t fail_at, bool forever, char *out)
{
	static struct rig rig;
	static const char *const users[] = { "tim", "tanstaaftanstaaf", NULL };

	rig_start(&rig);
	rig.late = late;
	rig.config.role = play->role;
	rig.config.auth = msv_test_auth(rig.test, users);
	rig.config.auth_in_clear = true;
	rig.config.offer_dsn = true;
	out[0] = '\0';
	uint64_t before = msv_test_allocs(rig.test);
	msv_test_fail_alloc(rig.test, fail_at, forever);
	if (rig_connection(&rig))
		give(&rig, play->text, step, out, 8192);
	msv_test_fail_alloc(rig.test, UINT64_MAX, false);
	uint64_t asked = msv_test_allocs(rig.test) - before;
	check_lines(out);
	rig_stop(&rig);
	return asked;
}

static void fail_each(const struct play *play, size_t step, bool late)
{
	static char out[8192];
	uint64_t asked = play_once(play, step, late, UINT64_MAX, false, out);
	size_t n = strlen(out), last = strlen(play->last);

	ck_assert_uint_gt(asked, 20);
	ck_assert_uint_ge(n, last);
	ck_assert_str_eq(out + n - last, play->last);
	for (uint64_t i = 0; i < asked; i++) {
		play_once(play, step, late, i, false, out);
		play_once(play, step, late, i, true, out);
	}
}

START_TEST(whole_sessions)
{
	for (size_t i = 0; i < sizeof(plays) / sizeof(plays[0]); i++)
		for (int late = 0; late < 2; late++)
			fail_each(&plays[i], SIZE_MAX, late);
}
END_TEST

START_TEST(in_pieces)
{
	for (size_t i = 0; i < sizeof(plays) / sizeof(plays[0]); i++)
		fail_each(&plays[i], 5, true);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("smtp/alloc");

	check_case(s, "alloc", whole_sessions, in_pieces);
	return check_main(s);
}
