/* AUTH (RFC 4954), as a dialogue and with a client that knows SCRAM. */
#include "auth/auth_test.h"
#include "smtp/rig.h"

#define HELLO_AUTH \
	GREETING "C: EHLO client.example\n" \
	         "S~\n" \
	         "S: 250-AUTH SCRAM-SHA-256 PLAIN LOGIN\n" \
	         "S: 250-LIMITS MAILMAX=100 RCPTMAX=1000\n" \
	         "S: 250 ENHANCEDSTATUSCODES\n"
#define PLAIN_OK    "AHRpbQB0YW5zdGFhZnRhbnN0YWFm" /* RFC 4616 4 */
#define PLAIN_WRONG "AHRpbQB3cm9uZw=="             /* \0tim\0wrong */
#define LOGGED_IN   "S: 235 2.7.0 logged in\n"

static const struct msv_auth *tim(struct rig *rig)
{
	static const char *const users[] = { "tim", "tanstaaftanstaaf", NULL };

	return msv_test_auth(rig->test, users);
}

static void in_clear(struct rig *rig)
{
	rig->config.role = MSV_SMTP_SUBMISSION;
	rig->config.auth = tim(rig);
	rig->config.auth_in_clear = true;
}

static void after_login(struct rig *rig)
{
	struct msv_smtp_session_info info = { .size = sizeof(info) };
	struct msv_conn_info conn = { .size = sizeof(conn) };

	msv_smtp_session_info(rig->conn, &info);
	ck_assert_ptr_nonnull(info.account);
	ck_assert_str_eq(info.account->name, "tim");
	ck_assert_str_eq(info.with, "ESMTPA");
	msv_conn_info(rig->conn, &conn);
	ck_assert_str_eq(conn.user, "tim");
	ck_assert_str_eq(conn.protocol, "submission");
	const char *log = msv_test_log(rig->test);
	ck_assert_ptr_nonnull(strstr(log, "submission login session=s1 peer=192.0.2.1 user=tim\n"));
}

START_TEST(plain)
{
	rig_play(in_clear,
	    HELLO_AUTH "C: AUTH PLAIN " PLAIN_OK "\n" LOGGED_IN "C: AUTH PLAIN " PLAIN_OK "\n"
	               "S: 503 5.5.1 you are logged in already\n"
	               "C: MAIL FROM:<a@b>\n"
	               "S: 250 2.1.0 sender ok\n"
	               "C: AUTH PLAIN\n"
	               "S: 503 5.5.1 not within a transaction\n",
	    after_login);
	rig_play(in_clear,
	    HELLO_AUTH "C: auth  plain\n"
	               "S: 334 \n"
	               "C: " PLAIN_OK "\n" LOGGED_IN
	               /* AUTH is not offered any more. */
	               "C: EHLO client.example\n"
	               "S~\n"
	               "S: 250-CHUNKING\n"
	               "S: 250-LIMITS MAILMAX=100 RCPTMAX=1000\n"
	               "S: 250 ENHANCEDSTATUSCODES\n",
	    after_login);
}
END_TEST

START_TEST(login_mechanism)
{
	rig_play(in_clear,
	    HELLO_AUTH "C: AUTH LOGIN\n"
	               "S: 334 VXNlcm5hbWU6\n"
	               "C: dGlt\n"
	               "S: 334 UGFzc3dvcmQ6\n"
	               "C: dGFuc3RhYWZ0YW5zdGFhZg==\n" LOGGED_IN,
	    after_login);
	rig_play(in_clear,
	    HELLO_AUTH "C: AUTH LOGIN dGlt\n"
	               "S: 334 UGFzc3dvcmQ6\n"
	               "C: dGFuc3RhYWZ0YW5zdGFhZg==\n" LOGGED_IN,
	    after_login);
}
END_TEST

START_TEST(refused)
{
	rig_play(in_clear,
	    HELLO_AUTH "C: AUTH PLAIN\n"
	               "S: 334 \n"
	               "C: *\n"
	               "S: 501 5.7.0 login canceled\n"
	               "C: AUTH PLAIN\n"
	               "S: 334 \n"
	               "C: not base64!\n"
	               "S: 501 5.5.2 that is no response the mechanism knows\n"
	               "C: AUTH PLAIN =\n"
	               "S: 501 5.5.2 that is no response the mechanism knows\n"
	               "C: AUTH PLAIN =AAA\n"
	               "S: 501 5.5.2 that is no response the mechanism knows\n"
	               "C: AUTH CRAM-MD5\n"
	               "S: 504 5.5.4 no such mechanism\n"
	               "C: AUTH A-MECHANISM-WITH-A-NAME-LONGER-THAN-ANY\n"
	               "S: 504 5.5.4 no such mechanism\n"
	               "C: AUTH\n"
	               "S: 501 5.5.4 an argument is missing\n"
	               "C: AUTH PLAIN\n"
	               "S: 334 \n"
	               "C= AHRpbQB0YW5zdGFhZnRhbnN0YWFm\\n\n"
	               "S: 501 5.5.2 lines must end in CRLF\n"
	               "C: AUTH PLAIN " PLAIN_OK "\n" LOGGED_IN,
	    NULL);
}
END_TEST

START_TEST(guessing)
{
	rig_play(in_clear,
	    HELLO_AUTH "C: AUTH PLAIN " PLAIN_WRONG "\n"
	               "S: 535 5.7.8 wrong user name or password\n"
	               "C: AUTH LOGIN\n"
	               "S: 334 VXNlcm5hbWU6\n"
	               "C: bm9ib2R5\n"
	               "S: 334 UGFzc3dvcmQ6\n"
	               "C: dGFuc3RhYWZ0YW5zdGFhZg==\n"
	               "S: 535 5.7.8 wrong user name or password\n"
	               "C: AUTH PLAIN " PLAIN_WRONG "\n"
	               "S: 535 5.7.8 wrong user name or password\n"
	               "S: 421 4.7.0 too many failed logins\n"
	               "X:\n",
	    NULL);
}
END_TEST

/* RFC 6409 4.3: no mail before a login, but for trusted networks. */
START_TEST(needed)
{
	rig_play(in_clear,
	    HELLO_AUTH "C: MAIL FROM:<a@b>\n"
	               "S: 530 5.7.0 log in first\n"
	               "C: VRFY ann\n"
	               "S: 530 5.7.0 log in first\n"
	               "C: NOOP\n"
	               "S: 250 2.0.0 ok\n"
	               "C: AUTH PLAIN " PLAIN_OK "\n" LOGGED_IN "C: MAIL FROM:<a@b>\n"
	               "S: 250 2.1.0 sender ok\n",
	    NULL);
}
END_TEST

static void trusting(struct rig *rig)
{
	in_clear(rig);
	rig->config.no_auth_needed = true;
}

START_TEST(not_needed)
{
	rig_play(trusting,
	    HELLO_AUTH "C: MAIL FROM:<a@b>\n"
	               "S: 250 2.1.0 sender ok\n",
	    NULL);
}
END_TEST

static void needs_tls(struct rig *rig)
{
	rig->config.role = MSV_SMTP_SUBMISSION;
	rig->config.auth = tim(rig);
}

/* Without TLS AUTH is neither offered nor done. */
START_TEST(not_in_the_clear)
{
	rig_play(needs_tls,
	    GREETING "C: EHLO client.example\n"
	             "S~\n"
	             "S: 250-CHUNKING\n"
	             "S: 250-LIMITS MAILMAX=100 RCPTMAX=1000\n"
	             "S: 250 ENHANCEDSTATUSCODES\n"
	             "C: AUTH PLAIN " PLAIN_OK "\n"
	             "S: 538 5.7.11 say STARTTLS first: no passwords in the clear\n"
	             "C: MAIL FROM:<a@b>\n"
	             "S: 530 5.7.0 log in first\n",
	    NULL);
	rig_play(NULL,
	    HELLO "C: AUTH PLAIN " PLAIN_OK "\n"
	          "S: 502 5.5.1 nobody logs in here\n",
	    NULL);
}
END_TEST

/* A password as long as RFC 4954 4 allows a line to be, and one more. */
static const char *long_script(size_t octets, const char *first, const char *last)
{
	static char script[40000];
	size_t n = (size_t)snprintf(script, sizeof(script), "%s%s", HELLO_AUTH, first);

	memset(script + n, 'A', octets);
	snprintf(script + n + octets, sizeof(script) - n - octets, "\n%s", last);
	return script;
}

START_TEST(long_lines)
{
	static const char bad[] = "S: 501 5.5.2 that is no response the mechanism knows\n"
	                          "C: NOOP\nS: 250 2.0.0 ok\n";
	static const char too_long[] = "S: 500 5.5.6 that line is too long\n"
	                               "C: NOOP\nS: 250 2.0.0 ok\n";

	rig_play(in_clear, long_script(12288, "C: AUTH PLAIN\nS: 334 \nC: ", bad), NULL);
	rig_play(in_clear, long_script(12289, "C: AUTH PLAIN\nS: 334 \nC: ", too_long), NULL);
	/* "AUTH PLAIN " is part of the line. */
	rig_play(in_clear, long_script(12276, "C: AUTH PLAIN ", bad), NULL);
	rig_play(in_clear,
	    long_script(12278, "C: AUTH PLAIN ",
	        "S: 500 5.5.2 that line is too long\nC: NOOP\nS: 250 2.0.0 ok\n"),
	    NULL);
}
END_TEST

/* -- Sources that fail ------------------------------------------------------------ */

static int verify_error;

static void verify(void *self, const struct msv_auth_question *question, struct msv_auth_op op)
{
	(void)self;
	ck_assert_str_eq(question->service, "submission");
	ck_assert_str_eq(question->peer_address, "192.0.2.1");
	ck_assert_str_eq(question->session_id, "s1");
	ck_assert_str_eq(question->mechanism, "PLAIN");
	ck_assert(!question->tls);
	msv_op_answer(op.op, verify_error);
}

static void failing(struct rig *rig)
{
	static const struct msv_auth auth = { .size = sizeof(auth), .verify = verify };

	in_clear(rig);
	rig->config.auth = &auth;
}

START_TEST(failures)
{
	static const struct {
		int error;
		const char *reply;
	} rows[] = {
		{ MSV_ERR_AUTH, "535 5.7.8 wrong user name or password" },
		{ MSV_ERR_DENIED, "535 5.7.8 that is not allowed to this user" },
		{ MSV_ERR_BUSY, "454 4.7.0 too many failed logins, try again later" },
		{ MSV_ERR_NOMEM, "454 4.7.0 out of memory, try again later" },
		{ MSV_ERR_IO, "454 4.7.0 logins are not possible now, try again later" },
	};
	char script[1024];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		verify_error = rows[i].error;
		snprintf(script, sizeof(script),
		    "%sC: EHLO client.example\nS~\nS: 250 ENHANCEDSTATUSCODES\n"
		    "C: AUTH PLAIN %s\nS: %s\nC: MAIL FROM:<a@b>\nS: 530 5.7.0 log in first\n",
		    GREETING, PLAIN_OK, rows[i].reply);
		rig_play(failing, script, NULL);
	}
}
END_TEST

/* -- SCRAM ------------------------------------------------------------------------- */

/* Sends a line and takes the answer, without its end; valid until the next. */
static const char *talk(struct rig *rig, const char *line)
{
	static char answer[4096];

	msv_conn_input(rig->conn, line, strlen(line));
	msv_conn_input(rig->conn, "\r\n", 2);
	struct msv_span out = msv_test_take_output(rig->test, rig->conn);
	ck_assert(out.n >= 2 && out.n < sizeof(answer));
	memcpy(answer, out.p, out.n - 2);
	answer[out.n - 2] = '\0';
	return answer;
}

/* Sends text in base64 behind `before`, and decodes a challenge that comes. */
static const char *exchange(struct rig *rig, const char *before, const char *text)
{
	static char challenge[2048];
	char line[4096];
	size_t n = (size_t)snprintf(line, sizeof(line), "%s", before);

	msv_base64_encode(text, strlen(text), line + n);
	const char *answer = talk(rig, line);
	if (strncmp(answer, "334 ", 4) != 0)
		return answer;
	ck_assert_int_eq(
	    msv_base64_decode(answer + 4, strlen(answer + 4), (uint8_t *)challenge, &n), 0);
	challenge[n] = '\0';
	return challenge;
}

static const char *scram(struct rig *rig, const char *password)
{
	static const char bare[] = "n=tim,r=rOprNGfwEbeRWgbNEkqO";
	char final[2048], signature[64];

	const char *first = exchange(rig, "AUTH SCRAM-SHA-256 ", "n,,n=tim,r=rOprNGfwEbeRWgbNEkqO");
	scram_client_final("n,,", bare, first, password, final, sizeof(final), signature);
	const char *answer = exchange(rig, "", final);
	if (strncmp(answer, "v=", 2) != 0)
		return answer;
	ck_assert_str_eq(answer, signature);
	return talk(rig, "");
}

START_TEST(scram_sha_256)
{
	static struct rig rig;

	rig_start(&rig);
	in_clear(&rig);
	rig_connection(&rig);
	talk(&rig, "EHLO client.example");
	ck_assert_str_eq(scram(&rig, "wrong"), "535 5.7.8 wrong user name or password");
	ck_assert_str_eq(scram(&rig, "tanstaaftanstaaf"), "235 2.7.0 logged in");
	after_login(&rig);
	rig_stop(&rig);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("smtp/auth");

	check_case(s, "mechanisms", plain, login_mechanism, scram_sha_256);
	check_case(s, "refused", refused, guessing, failures, long_lines);
	check_case(s, "needed", needed, not_needed, not_in_the_clear);
	return check_main(s);
}
