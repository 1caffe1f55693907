/* Host names of peers, from a name server on the loop that says as it is told. */
#include <strings.h>

#include "check_main.h"
#include "rig.h"

/* -- The name server -------------------------------------------------------------------- */

struct record {
	const char *name;
	int type;
	const char *data; /* the name of a PTR; an address */
};

enum { A = 1, PTR = 12, AAAA = 28 };

static const struct record records[] = {
	{ "1.2.0.192.in-addr.arpa", PTR, "Mail.Example.ORG" },
	{ "mail.example.org", A, "192.0.2.77" },
	{ "mail.example.org", A, "192.0.2.1" },
	{ "2.2.0.192.in-addr.arpa", PTR, "liar.example.org" },
	{ "liar.example.org", A, "192.0.2.99" },
	{ "5.2.0.192.in-addr.arpa", PTR, "liar.example.org" },
	{ "5.2.0.192.in-addr.arpa", PTR, "unknown.example.org" },
	{ "5.2.0.192.in-addr.arpa", PTR, "true.example.org" },
	{ "true.example.org", A, "192.0.2.5" },
	{ "6.2.0.192.in-addr.arpa", PTR, "a\r\nb.example.org" },
	{ "7.2.0.192.in-addr.arpa", PTR, "a b.example.org" },
	{ "8.2.0.192.in-addr.arpa", PTR, "h\xc3\xa4.example.org" },
	{ "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa", PTR,
	    "v6.example.org" },
	{ "v6.example.org", AAAA, "2001:db8::1" },
	{ "1.0.0.127.in-addr.arpa", PTR, "client.example.org" },
	{ "client.example.org", A, "127.0.0.1" },
};

/* Nothing at all is said about this name. */
static const char silent[] = "4.2.0.192.in-addr.arpa";

static struct msv_uv_resolver *resolver;
static uv_udp_t server;
static unsigned char query[512], reply[4096];
static unsigned asked;

static size_t put_name(unsigned char *p, const char *name)
{
	size_t n = 0;

	while (*name) {
		size_t label = strcspn(name, ".");

		p[n++] = (unsigned char)label;
		memcpy(p + n, name, label);
		n += label;
		name += label + (name[label] == '.');
	}
	p[n++] = 0;
	return n;
}

/* One record behind the question, whose name is at byte 12. */
static size_t put_record(unsigned char *p, const struct record *r)
{
	static const unsigned char class_and_ttl[] = { 0, 1, 0, 0, 0, 60 };
	size_t n;

	p[0] = 0xc0;
	p[1] = 12;
	p[2] = 0;
	p[3] = (unsigned char)r->type;
	memcpy(p + 4, class_and_ttl, 6);
	if (r->type == PTR)
		n = put_name(p + 12, r->data);
	else
		n = inet_pton(r->type == A ? AF_INET : AF_INET6, r->data, p + 12)
		        ? r->type == A ? 4 : 16
		        : 0;
	p[10] = 0;
	p[11] = (unsigned char)n;
	return 12 + n;
}

/* The question's name in text; the bytes it takes. */
static size_t read_question(const unsigned char *p, char *name)
{
	size_t n = 0, used = 0;

	while (p[n]) {
		memcpy(name + used, p + n + 1, p[n]);
		used += p[n];
		name[used++] = '.';
		n += (size_t)p[n] + 1;
	}
	name[used ? used - 1 : 0] = '\0';
	return n + 1;
}

/* Makes the reply; 0: none. */
static size_t answer(void)
{
	char name[256];
	size_t question = read_question(query + 12, name) + 4, n = 12 + question;
	int type = query[12 + question - 3];
	unsigned char count = 0;

	asked++;
	if (strcasecmp(name, silent) == 0)
		return 0;
	memcpy(reply, query, n);
	for (size_t i = 0; i < sizeof(records) / sizeof(records[0]); i++) {
		if (records[i].type == type && strcasecmp(records[i].name, name) == 0) {
			n += put_record(reply + n, &records[i]);
			count++;
		}
	}
	memset(reply + 2, 0, 10);
	reply[2] = 0x85; /* an authoritative answer */
	reply[3] = count ? 0x80 : 0x83;
	reply[5] = 1;
	reply[7] = count;
	return n;
}

static void give_query(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	(void)handle;
	(void)suggested;
	*buf = uv_buf_init((char *)query, sizeof(query));
}

static void on_query(
    uv_udp_t *udp, ssize_t n, const uv_buf_t *buf, const struct sockaddr *from, unsigned flags)
{
	uv_buf_t out;
	size_t length;

	(void)buf;
	(void)flags;
	if (n < 17)
		return;
	length = answer();
	out = uv_buf_init((char *)reply, (unsigned)length);
	if (length)
		uv_udp_try_send(udp, &out, 1, from);
}

static void make_resolver(uint32_t timeout_ms)
{
	struct sockaddr_in sa;
	int n = sizeof(sa);
	char forward[64];
	struct msv_uv_resolver_options options = {
		.size = sizeof(options), .timeout_ms = timeout_ms, .forward = forward
	};

	uv_udp_getsockname(&server, (struct sockaddr *)&sa, &n);
	snprintf(forward, sizeof(forward), "127.0.0.1@%u", ntohs(sa.sin_port));
	ck_assert_int_eq(msv_uv_resolver_new(rig.uv, &options, &resolver), 0);
}

static void setup(void)
{
	struct sockaddr_in sa;

	rig_begin();
	asked = 0;
	uv_ip4_addr("127.0.0.1", 0, &sa);
	uv_udp_init(&rig.loop, &server);
	ck_assert_int_eq(uv_udp_bind(&server, (struct sockaddr *)&sa, 0), 0);
	uv_udp_recv_start(&server, give_query, on_query);
	make_resolver(3000);
}

static void teardown(void)
{
	uv_close((uv_handle_t *)&server, NULL);
	rig_end();
}

/* -- Lookups ------------------------------------------------------------------------------- */

static char found[300];
static unsigned answers;

static void take_name(void *user, const char *name)
{
	ck_assert_ptr_eq(user, found);
	snprintf(found, sizeof(found), "%s", name ? name : "-");
	answers++;
}

static struct msv_uv_lookup *look_up(const char *address)
{
	struct msv_uv_lookup *lookup;

	answers = 0;
	ck_assert_int_eq(msv_uv_lookup_name(resolver, address, take_name, found, &lookup), 0);
	ck_assert_uint_eq(answers, 0);
	return lookup;
}

START_TEST(test_names)
{
	static const struct {
		const char *address, *name;
	} cases[] = {
		{ "192.0.2.1", "mail.example.org" },
		{ "192.0.2.2", "-" }, /* the name leads elsewhere */
		{ "192.0.2.3", "-" }, /* no name */
		{ "192.0.2.5", "true.example.org" },
		{ "192.0.2.6", "-" }, /* no names of hosts */
		{ "192.0.2.7", "-" },
		{ "192.0.2.8", "-" },
		{ "2001:db8::1", "v6.example.org" },
		{ "2001:db8::2", "-" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		look_up(cases[i].address);
		ck_assert(rig_until(answers == 1));
		ck_assert_msg(strcmp(found, cases[i].name) == 0, "%s: %s, not %s", cases[i].address,
		    found, cases[i].name);
	}
	ck_assert_uint_gt(asked, 5);
	rig_run(20);
	ck_assert_uint_eq(answers, 1);
}
END_TEST

START_TEST(test_arguments)
{
	struct msv_uv_lookup *lookup;

	ck_assert_int_eq(
	    msv_uv_lookup_name(resolver, "mail.example.org", take_name, found, &lookup),
	    MSV_ERR_INVAL);
	ck_assert_int_eq(msv_uv_lookup_name(resolver, "", take_name, found, NULL), MSV_ERR_INVAL);
	ck_assert_int_eq(
	    msv_uv_lookup_name(resolver, "192.0.2.1", NULL, NULL, NULL), MSV_ERR_INVAL);
	msv_uv_lookup_cancel(NULL);
	msv_uv_resolver_free(NULL);
}
END_TEST

START_TEST(test_timeout)
{
	uint64_t start = msv_env_now(rig.env);

	msv_uv_resolver_free(resolver);
	make_resolver(200);
	look_up("192.0.2.4");
	ck_assert(rig_until(answers == 1));
	ck_assert_str_eq(found, "-");
	ck_assert_uint_lt(msv_env_now(rig.env) - start, 2000);
}
END_TEST

START_TEST(test_cancel)
{
	msv_uv_lookup_cancel(look_up("192.0.2.1"));
	msv_uv_lookup_cancel(look_up("192.0.2.4"));
	rig_run(100);
	ck_assert_uint_eq(answers, 0);
	/* And those after it are well. */
	look_up("192.0.2.1");
	ck_assert(rig_until(answers == 1));
	ck_assert_str_eq(found, "mail.example.org");
}
END_TEST

START_TEST(test_freed_with_lookups)
{
	look_up("192.0.2.4");
	rig_run(10);
	msv_uv_resolver_free(resolver);
	ck_assert_uint_eq(answers, 1);
	ck_assert_str_eq(found, "-");
	make_resolver(3000);
	look_up("192.0.2.4");
	rig_run(10);
	teardown(); /* the uv does away with it */
	ck_assert_uint_eq(answers, 1);
	setup();
}
END_TEST

/* -- The listener's use of it -------------------------------------------------------------------- */

static struct client c;

static struct msv_uv_listener *listen_with_names(struct msv_uv_listen_options options)
{
	struct msv_uv_listener *listener;

	options.size = sizeof(options);
	options.address = "127.0.0.1";
	options.accept = toy_accept;
	options.resolver = resolver;
	ck_assert_int_eq(msv_uv_listen(rig.uv, &options, &listener), 0);
	return listener;
}

static void expect_name(const char *name)
{
	size_t n = strlen(name);

	client_expect(&c, "hi\n");
	client_say(&c, "WHO\n");
	ck_assert(rig_until((client_poll(&c), strchr(c.got, '\n') != NULL)));
	ck_assert_msg(c.n > n && memcmp(c.got + c.n - n - 1, name, n) == 0, "%s", c.got);
}

START_TEST(test_peer_name)
{
	static const char *const proxies[] = { "127.0.0.1" };
	struct msv_uv_listener *listener =
	    listen_with_names((struct msv_uv_listen_options){ .proxies = proxies, .nproxies = 1 });

	client_open(&c, msv_uv_listener_port(listener), NULL);
	client_say(&c, "PROXY TCP4 192.0.2.1 127.0.0.1 50000 25\r\n");
	expect_name(" mail.example.org");
	client_close(&c);
	client_open(&c, msv_uv_listener_port(listener), NULL);
	client_say(&c, "PROXY TCP4 192.0.2.2 127.0.0.1 50000 25\r\n");
	expect_name(" -");
	client_close(&c);
}
END_TEST

/* The session waits for a name no longer than the resolver's limit, and what
 * the client says meanwhile is not lost. */
START_TEST(test_slow_name)
{
	static const char *const proxies[] = { "127.0.0.1" };
	struct msv_uv_listener *listener;

	msv_uv_resolver_free(resolver);
	make_resolver(200);
	listener =
	    listen_with_names((struct msv_uv_listen_options){ .proxies = proxies, .nproxies = 1 });
	client_open(&c, msv_uv_listener_port(listener), NULL);
	client_say(&c, "PROXY TCP4 192.0.2.4 127.0.0.1 50000 25\r\nearly\n");
	rig_run(50);
	ck_assert_uint_eq(rig.begun, 0);
	client_say(&c, "later\n");
	client_expect(&c, "hi\nearly\nlater\n");
	client_close(&c);
}
END_TEST

/* The listener, the resolver or the client goes away while a name is looked up. */
START_TEST(test_gone_meanwhile)
{
	static const char *const proxies[] = { "127.0.0.1" };
	static const char header[] = "PROXY TCP4 192.0.2.4 127.0.0.1 50000 25\r\n";
	struct msv_uv_listener *listener =
	    listen_with_names((struct msv_uv_listen_options){ .proxies = proxies, .nproxies = 1 });
	uint16_t port = msv_uv_listener_port(listener);

	client_open(&c, port, NULL);
	client_say(&c, header);
	rig_run(20);
	msv_uv_resolver_free(resolver);
	client_expect(&c, "hi\n");
	client_close(&c);
	/* Without it there are no names. */
	client_open(&c, port, NULL);
	client_say(&c, header);
	expect_name(" -");
	client_close(&c);
	msv_uv_listener_free(listener);

	make_resolver(3000);
	listener =
	    listen_with_names((struct msv_uv_listen_options){ .proxies = proxies, .nproxies = 1 });
	client_open(&c, msv_uv_listener_port(listener), NULL);
	client_say(&c, header);
	rig_run(20);
	ck_assert_uint_ge(msv_uv_connections(rig.uv), 1);
	msv_uv_listener_free(listener);
	ck_assert(rig_until(client_gone(&c)));
	ck_assert(rig_until(msv_uv_connections(rig.uv) == 0));
	client_close(&c);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("uv/resolver");

	check_fixture_case(s, "lookup", setup, teardown, test_names, test_arguments, test_timeout,
	    test_cancel, test_freed_with_lookups);
	check_fixture_case(
	    s, "listener", setup, teardown, test_peer_name, test_slow_name, test_gone_meanwhile);
	return check_main(s);
}
