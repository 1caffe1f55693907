#include "loop.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "check_main.h"

START_TEST(networks)
{
	static const struct {
		const char *network, *address;
		bool in;
	} cases[] = {
		{ "192.0.2.1", "192.0.2.1", true },
		{ "192.0.2.1", "192.0.2.2", false },
		{ "192.0.2.0/24", "192.0.2.255", true },
		{ "192.0.2.0/24", "192.0.3.0", false },
		{ "192.0.2.128/25", "192.0.2.127", false },
		{ "192.0.2.128/25", "192.0.2.129", true },
		{ "10.0.0.0/9", "10.127.1.1", true },
		{ "10.0.0.0/9", "10.128.1.1", false },
		{ "0.0.0.0/0", "203.0.113.9", true },
		{ "0.0.0.0/0", "::1", false },
		{ "2001:db8::/32", "2001:db8:ffff::1", true },
		{ "2001:db8::/32", "2001:db9::1", false },
		{ "2001:db8::/33", "2001:db8:8000::1", false },
		{ "::/0", "::1", true },
		{ "::1", "::1", true },
		{ "unix", "", true },
		{ "unix", "127.0.0.1", false },
		{ "127.0.0.1", "", false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct msv_uv_network network;

		ck_assert_int_eq(msv_uv_network_parse(cases[i].network, &network), 0);
		ck_assert_msg(msv_uv_network_has(&network, cases[i].address) == cases[i].in,
		    "%s in %s", cases[i].address, cases[i].network);
	}
}
END_TEST

START_TEST(no_networks)
{
	static const char *const bad[] = { "", "/8", "192.0.2", "192.0.2.1/", "192.0.2.1/33",
		"192.0.2.1/-1", "192.0.2.1/8x", "192.0.2.1/0000", "::/129", "example.org",
		"192.0.2.1 ", "unix/8",
		"0000000000000000000000000000000000000000000000000000000000000000000000000/8" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct msv_uv_network network;

		ck_assert_msg(
		    msv_uv_network_parse(bad[i], &network) == MSV_ERR_INVAL, "%s", bad[i]);
	}
}
END_TEST

START_TEST(texts)
{
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(25) };
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(143) };
	struct sockaddr local = { .sa_family = AF_UNIX };
	char text[46];
	uint16_t port;

	inet_pton(AF_INET, "192.0.2.1", &v4.sin_addr);
	msv_uv_address_text((struct sockaddr *)&v4, text, &port);
	ck_assert_str_eq(text, "192.0.2.1");
	ck_assert_uint_eq(port, 143);
	inet_pton(AF_INET6, "2001:db8::1", &v6.sin6_addr);
	msv_uv_address_text((struct sockaddr *)&v6, text, &port);
	ck_assert_str_eq(text, "2001:db8::1");
	ck_assert_uint_eq(port, 25);
	inet_pton(AF_INET6, "::ffff:192.0.2.7", &v6.sin6_addr);
	msv_uv_address_text((struct sockaddr *)&v6, text, &port);
	ck_assert_str_eq(text, "192.0.2.7");
	msv_uv_address_text(&local, text, &port);
	ck_assert_str_eq(text, "");
	ck_assert_uint_eq(port, 0);
}
END_TEST

/* -- Seats ------------------------------------------------------------------------ */

static unsigned take(struct msv_uv_seats *seats, const char *address, struct msv_uv_seat **seat)
{
	unsigned count = 0;

	*seat = msv_uv_seat_take(seats, address, &count);
	ck_assert_ptr_nonnull(*seat);
	return count;
}

START_TEST(seats_of_addresses)
{
	struct msv_uv_seats *seats;
	struct msv_uv_seat *a, *b, *c, *many[3000];
	struct msv_uv *uv;
	uv_loop_t loop;

	uv_loop_init(&loop);
	ck_assert_int_eq(msv_uv_new(&loop, NULL, &uv), 0);
	seats = msv_uv_seats_new(uv);
	ck_assert_ptr_nonnull(seats);
	ck_assert_uint_eq(take(seats, "192.0.2.1", &a), 1);
	ck_assert_uint_eq(take(seats, "192.0.2.1", &b), 2);
	ck_assert_ptr_eq(a, b);
	ck_assert_uint_eq(take(seats, "192.0.2.2", &c), 1);
	msv_uv_seat_leave(seats, c);
	msv_uv_seat_leave(seats, a);
	ck_assert_uint_eq(take(seats, "192.0.2.1", &a), 2);
	/* One /64 is one host; its neighbour is another. */
	ck_assert_uint_eq(take(seats, "2001:db8::1", &a), 1);
	ck_assert_uint_eq(take(seats, "2001:db8::ffff:ffff:ffff:ffff", &b), 2);
	ck_assert_uint_eq(take(seats, "2001:db8:0:1::1", &c), 1);
	for (unsigned i = 0; i < 3000; i++) {
		char address[46];

		snprintf(address, sizeof(address), "10.0.%u.%u", i / 256, i % 256);
		ck_assert_uint_eq(take(seats, address, &many[i]), 1);
	}
	for (unsigned i = 0; i < 2000; i++)
		msv_uv_seat_leave(seats, many[i]);
	msv_uv_seat_leave(seats, NULL);
	msv_uv_seats_free(seats);
	msv_uv_seats_free(NULL);
	msv_uv_free(uv);
	uv_run(&loop, UV_RUN_DEFAULT);
	ck_assert_int_eq(uv_loop_close(&loop), 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("uv/address");

	check_case(s, "address", networks, no_networks, texts, seats_of_addresses);
	return check_main(s);
}
