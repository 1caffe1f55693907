/* Every allocation of the env fails once, in turn: what was to be done is not
 * done, everything else goes on, and nothing is lost. */
#include "check_main.h"
#include "rig.h"

/* The env's allocator ends up here (by the linker's --wrap). */
void *__real_realloc(void *p, size_t n);
void *__wrap_realloc(void *p, size_t n);

static unsigned long left = ULONG_MAX; /* allocations that still succeed */
static unsigned long seen;

void *__wrap_realloc(void *p, size_t n)
{
	seen++;
	if (left != ULONG_MAX && left-- == 0) {
		left = ULONG_MAX;
		return NULL;
	}
	return __real_realloc(p, n);
}

/* Runs the scenario once for each allocation it makes. */
static void fail_each(void (*scenario)(void))
{
	unsigned long n;

	seen = 0;
	scenario();
	n = seen;
	ck_assert_uint_gt(n, 5);
	for (unsigned long i = 0; i < n; i++) {
		left = i;
		scenario();
		left = ULONG_MAX;
	}
}

/* -- A connection ---------------------------------------------------------------------- */

static struct client c;

static void serve(void)
{
	static const char *const proxies[] = { "127.0.0.1" };
	struct msv_uv_listen_options options = { .size = sizeof(options),
		.address = "127.0.0.1",
		.proxies = proxies,
		.nproxies = 1,
		.accept = toy_accept };
	struct msv_uv_listener *listener;
	int error;

	memset(&rig, 0, sizeof(rig));
	uv_loop_init(&rig.loop);
	error = msv_uv_new(&rig.loop, NULL, &rig.uv);
	if (error) {
		ck_assert_int_eq(error, MSV_ERR_NOMEM);
		ck_assert_ptr_null(rig.uv);
		ck_assert_int_eq(uv_loop_close(&rig.loop), 0);
		return;
	}
	rig.env = msv_uv_env(rig.uv);
	uv_timer_init(&rig.loop, &rig.keep);
	error = msv_uv_listen(rig.uv, &options, &listener);
	if (error) {
		ck_assert_int_eq(error, MSV_ERR_NOMEM);
		rig_end();
		return;
	}
	client_open(&c, msv_uv_listener_port(listener), NULL);
	/* More than the socket takes at once, so that a part waits. */
	client_say(&c, "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nBIG 8000000\n");
	rig_run(5);
	client_close(&c);
	rig_end();
}

START_TEST(test_connection)
{
	signal(SIGPIPE, SIG_IGN);
	fail_each(serve);
}
END_TEST

/* -- Jobs and watches ---------------------------------------------------------------------- */

static unsigned done;

static void job_work(void *data)
{
	(void)data;
}

static void job_done(void *data)
{
	(void)data;
	done++;
}

/* Without memory for giving it away a job is done inline. */
static void offload(void)
{
	unsigned given = 0;

	rig_begin();
	done = 0;
	for (int i = 0; i < 5; i++)
		given += msv_env_offload(rig.env, MSV_LANE_INDEX, job_work, job_done, NULL) == 0;
	ck_assert_uint_ge(given, 4);
	ck_assert(rig_until(done == given));
	rig_end();
}

static void never(void *user, const char *name)
{
	(void)user;
	(void)name;
	done++;
}

static void look_up(void)
{
	struct msv_uv_resolver_options options = {
		.size = sizeof(options), .timeout_ms = 50, .forward = "127.0.0.1@9"
	};
	struct msv_uv_resolver *resolver;
	unsigned asked = 0;

	rig_begin();
	done = 0;
	if (msv_uv_resolver_new(rig.uv, &options, &resolver) == 0)
		for (int i = 0; i < 5; i++)
			asked += msv_uv_lookup_name(resolver, "192.0.2.1", never, NULL, NULL) == 0;
	ck_assert(rig_until(done == asked));
	rig_end();
}

static void on_records(void *user, int error, const void *result)
{
	(void)user;
	(void)result;
	ck_assert_int_lt(error, 0);
	done++;
}

/* Questions fail one way or another, for each there is an answer. */
static void query(void)
{
	struct msv_uv_resolver_options options = {
		.size = sizeof(options), .query_timeout_ms = 50, .forward = "127.0.0.1@9"
	};
	struct msv_uv_resolver *resolver;
	unsigned asked = 0;

	rig_begin();
	done = 0;
	for (int i = 0; i < 3 && msv_uv_resolver_new(rig.uv, &options, &resolver) == 0; i++) {
		const struct msv_dns *dns = msv_uv_resolver_dns(resolver);
		struct msv_op *op = msv_op_new(rig.env, on_records, NULL);

		if (!op)
			continue;
		asked++;
		dns->query(dns->self, "example.org", MSV_DNS_MX, (struct msv_dns_op){ op });
	}
	ck_assert(rig_until(done == asked));
	rig_end();
}

static struct msv_conn *make_toy(void *user, const struct msv_peer *peer)
{
	return toy_accept(user, peer);
}

static void on_connect(void *user, int error, const void *result)
{
	const struct msv_connect_result *r = result;

	(void)user;
	ck_assert(error == MSV_ERR_NOMEM || (!error && (!r->error || r->error == MSV_ERR_NOMEM)));
	done++;
}

static void dial(void)
{
	struct msv_uv_listen_options options = {
		.size = sizeof(options), .address = "127.0.0.1", .accept = toy_accept
	};
	struct msv_transport_target target = {
		.size = sizeof(target), .address = "127.0.0.1", .make = make_toy
	};
	struct msv_uv_listener *listener;
	struct msv_op *op;

	rig_begin();
	done = 0;
	if (msv_uv_listen(rig.uv, &options, &listener) == 0 &&
	    (op = msv_op_new(rig.env, on_connect, NULL))) {
		target.port = msv_uv_listener_port(listener);
		msv_uv_connect(rig.uv, &target, (struct msv_connect_op){ op });
		ck_assert(rig_until(done == 1));
	}
	rig_end();
}

/* rig_begin() itself must succeed: its one allocation is let pass. */
static void fail_each_but_first(void (*scenario)(void), unsigned long n)
{
	for (unsigned long i = 1; i < n; i++) {
		left = i;
		scenario();
		left = ULONG_MAX;
	}
}

START_TEST(test_jobs)
{
	fail_each_but_first(offload, 12);
}
END_TEST

START_TEST(test_lookups)
{
	fail_each_but_first(look_up, 8);
}
END_TEST

START_TEST(test_queries)
{
	fail_each_but_first(query, 16);
}
END_TEST

START_TEST(test_connecting)
{
	fail_each_but_first(dial, 30);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("uv/memory");

	check_case(
	    s, "memory", test_connection, test_jobs, test_lookups, test_queries, test_connecting);
	return check_main(s);
}
