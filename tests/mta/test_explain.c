/* What would become of a message: every decision, and nothing sent. */
#include "outbox.h"

static struct rig rig;

static struct {
	char text[16384]; /* a line a row: depth, what, text */
	int error;
	bool done, pause;
	unsigned rows;
} said;

static int on_row(void *user, const void *result)
{
	const struct msv_mta_step *step = result;
	size_t n = strlen(said.text);
	(void)user;
	ck_assert_uint_eq(step->size, sizeof *step);
	snprintf(said.text + n, sizeof said.text - n, "%u %s: %s\n", step->depth, step->what,
	    step->text);
	said.rows++;
	return said.pause ? MSV_PAUSE : 0;
}

static void on_end(void *user, int error, const void *result)
{
	(void)user, (void)result;
	ck_assert(!said.done);
	said.done = true;
	said.error = error;
}

static const char *explain(const char *from, const char *to, const char *account)
{
	struct msv_mta_question question = { .size = sizeof question,
		.from = from,
		.to = to,
		.peer = "192.0.2.9",
		.account = account };
	struct msv_mta_explain_op op = { msv_op_new(rig.env, on_end, NULL) };
	bool pause = said.pause;
	memset(&said, 0, sizeof said);
	said.pause = pause;
	msv_op_set_row(op.op, on_row);
	msv_mta_explain(rig.mta, &question, op);
	for (int i = 0; i < 1000 && !said.done; i++) {
		unsigned before = said.rows;
		msv_test_advance(rig.test, 10);
		if (said.pause && said.rows > before)
			msv_op_resume(op.op);
	}
	ck_assert(said.done);
	ck_assert_int_eq(said.error, 0);
	return said.text;
}

static void look_for(const char *words, bool wanted)
{
	ck_assert_msg((strstr(said.text, words) != NULL) == wanted, "%s \"%s\" in\n%s",
	    wanted ? "no" : "a", words, said.text);
}

#define says(words)      look_for(words, true)
#define says_not(words)  look_for(words, false)
#define ends_with(words) look_for("\n0 " words, true)

static void tweak(struct msv_mta_options *options)
{
	static const char *const secrets[] = { "secret" };
	static const struct msv_mta_pair masks[] = { { "@in.example.org", "@example.org" } };
	static const struct msv_mta_route routes[] = {
		{ .size = sizeof *routes,
		    .domain = "lists.example",
		    .kind = MSV_ROUTE_LMTP,
		    .path = "/run/lists",
		    .accept = true },
		{ .size = sizeof *routes,
		    .domain = "smart.example",
		    .kind = MSV_ROUTE_SMARTHOST,
		    .host = "mx.else.example",
		    .source = "192.0.2.5",
		    .tls = MSV_SMTP_TLS_OFF },
	};
	options->srs_secrets = secrets;
	options->nsrs_secrets = 1;
	options->masquerade = masks;
	options->nmasquerade = 1;
	options->routes = routes;
	options->nroutes = 2;
	options->warn_s = 90;
}

static const char aliases[] = "team: anna+lists, carl@else.example\n"
                              "trash: /dev/null\n"
                              "ghost: nobody-at-all\n";

static void open_rig(int late)
{
	memset(&said, 0, sizeof said);
	outbox_open(&rig, late, aliases, tweak);
}

START_TEST(mailbox)
{
	open_rig(_i);
	explain("x@y.example", "anna+work@example.org", NULL);
	says("0 client: 192.0.2.9, not logged in\n");
	says("0 sender: <x@y.example>\n");
	says("0 recipient: <anna+work@example.org>\n");
	says("1 account: anna@example.org\n");
	says("1 folder: there is no folder of the tag's name: INBOX\n");
	says("0 mailbox: INBOX of the account anna@example.org\n");
	says("1 limit: 10000 recipients of one message");
	says_not("given up");
	ends_with("accepted: 250 2.1.5\n");
	outbox_close(&rig);
}
END_TEST

START_TEST(expansion_and_route)
{
	open_rig(_i);
	explain("x@y.example", "team@example.org", NULL);
	says("1 alias: ");
	says("(aliases:1)");
	says("0 mailbox: INBOX of the account anna@example.org\n");
	says("0 remote: <carl@else.example>\n");
	says("1 srs: <x@y.example> -> <SRS0=");
	says("1 route: \"*\": directly to the domain's hosts, port 25\n");
	says("2 dns: MX 10 mx.else.example\n");
	says("2 host: 10 mx.else.example: 198.51.100.1\n");
	says("1 limit: the sender is told of a delay after 90 seconds\n");
	says("1 limit: given up after 4 days\n");
	ends_with("accepted: 250 2.1.5\n");
	explain("", "trash@example.org", NULL);
	says("0 sender: <>\n");
	says("0 discard: ");
	outbox_expect(&rig, "");
	outbox_close(&rig);
}
END_TEST

START_TEST(routes)
{
	open_rig(_i);
	explain("x@y.example", "dev@lists.example", NULL);
	says("1 route: \"lists.example\": LMTP to the socket /run/lists\n");
	says("2 accept: ");
	says_not("srs");
	explain("anna@example.org", "carl@smart.example", "anna@example.org");
	says("1 route: \"smart.example\": smarthost mx.else.example, port 587\n");
	says("2 tls: ");
	says("2 source: from the address 192.0.2.5\n");
	says("198.51.100.1");
	explain("anna@example.org", "carl@null.example", "anna@example.org");
	says("1 bounce: 556 5.1.10 ");
	explain("anna@example.org", "carl@gone.example", "anna@example.org");
	says("1 bounce: 550 5.1.2 ");
	outbox_close(&rig);
}
END_TEST

START_TEST(refusals)
{
	open_rig(_i);
	explain("x@y.example", "carl@else.example", NULL);
	ends_with("refused: 550 5.7.1 Relaying denied");
	explain("x@y.example", "gone@example.org", NULL);
	ends_with("refused: 550 5.1.1 ");
	explain("x@y.example", "ghost@example.org", NULL);
	ends_with("refused: 550 5.1.1 ");
	explain("bert@example.org", "carl@else.example", "anna@example.org");
	ends_with("refused: 553 5.7.1 ");
	says("anna@example.org");
	says_not("0 recipient");
	explain("anna@in.example.org", "carl@else.example", "anna@example.org");
	says("1 masquerade: <anna@in.example.org> -> <anna@example.org>\n");
	says("1 login: ");
	ends_with("accepted: ");
	explain("x@y.example", "SRS0=AAAA=BB=y.example=z@example.org", NULL);
	ends_with("refused: 550 5.7.1 This forwarding address was not made by this server");
	explain("no address", "anna@example.org", NULL);
	ends_with("refused: 501 5.1.7 ");
	explain(NULL, "no address", NULL);
	ends_with("refused: 501 5.1.3 ");
	explain(NULL, NULL, NULL);
	ends_with("refused: 501 5.1.3 ");
	explain(NULL, "Postmaster", NULL);
	says("0 mailbox: INBOX of the account bert@example.org\n");
	msv_mta_pause(rig.mta, MSV_MTA_IN, true);
	explain(NULL, "anna@example.org", NULL);
	ends_with("refused: 421 4.3.2 ");
	outbox_close(&rig);
}
END_TEST

/* Whoever reads slowly gets the same. */
START_TEST(row_by_row)
{
	char whole[sizeof said.text];
	open_rig(_i);
	explain("x@y.example", "team@example.org", NULL);
	memcpy(whole, said.text, sizeof whole);
	said.pause = true;
	explain("x@y.example", "team@example.org", NULL);
	ck_assert_str_eq(said.text, whole);
	outbox_close(&rig);
}
END_TEST

/* Canceled, or the mta goes, at any moment. */
START_TEST(ends)
{
	struct msv_mta_question question = { .size = sizeof question,
		.from = "anna@example.org",
		.to = "team@example.org",
		.account = "anna@example.org" };
	for (int ticks = 0; ticks < 40; ticks++) {
		open_rig(_i & 1);
		struct msv_mta_explain_op op = { msv_op_new(rig.env, on_end, NULL) };
		msv_op_set_row(op.op, on_row);
		msv_mta_explain(rig.mta, &question, op);
		for (int i = 0; i < ticks && !said.done; i++)
			msv_env_tick(rig.env);
		if (!said.done && !(_i & 2))
			msv_op_cancel(op.op);
		if (_i & 2) {
			msv_mta_free(rig.mta);
			rig.mta = NULL;
			msv_test_run(rig.test);
			ck_assert(said.done);
		}
		outbox_close(&rig);
	}
}
END_TEST

START_TEST(every_allocation_fails)
{
	struct msv_mta_question question = { .size = sizeof question,
		.from = "anna@in.example.org",
		.to = "team@example.org",
		.account = "anna@example.org" };
	for (uint64_t n = 0;; n++) {
		open_rig(false);
		uint64_t before = msv_test_allocs(rig.test);
		struct msv_mta_explain_op op = { msv_op_new(rig.env, on_end, NULL) };
		msv_op_set_row(op.op, on_row);
		msv_test_fail_alloc(rig.test, n, _i);
		msv_mta_explain(rig.mta, &question, op);
		for (int i = 0; i < 20; i++)
			msv_test_advance(rig.test, 10);
		bool all_done = msv_test_allocs(rig.test) - before <= n;
		msv_test_fail_alloc(rig.test, UINT64_MAX, false);
		msv_test_run(rig.test);
		ck_assert(said.done);
		if (said.error)
			ck_assert_int_eq(said.error, MSV_ERR_NOMEM);
		outbox_close(&rig);
		if (all_done)
			break;
	}
	ends_with("accepted: ");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("mta/explain");
	TCase *tc = tcase_create("explain");
	const TTest *tests[] = { mailbox, expansion_and_route, routes, refusals, row_by_row,
		every_allocation_fails };
	tcase_set_timeout(tc, 120);
	for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
		tcase_add_loop_test(tc, tests[i], 0, 2);
	tcase_add_loop_test(tc, ends, 0, 4);
	suite_add_tcase(s, tc);
	return check_main(s);
}
