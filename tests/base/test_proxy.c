#include <string.h>

#include <mailserv/conn.h>

#include "check_main.h"

/* Parses n bytes, and every shorter prefix, which must ask for more. */
static int parse(const void *p, size_t n, struct msv_proxy_header *out)
{
	int length = msv_proxy_parse(p, n, out);

	for (size_t i = 0; length > 0 && i < (size_t)length; i++) {
		struct msv_proxy_header untouched = { .address = "untouched" };
		ck_assert_msg(msv_proxy_parse(p, i, &untouched) == 0, "prefix of %zu", i);
		ck_assert_str_eq(untouched.address, "untouched");
	}
	return length;
}

static void expect(const void *p, size_t n, int length, const char *address, unsigned port,
    const char *local_address, unsigned local_port)
{
	struct msv_proxy_header out;

	ck_assert_int_eq(parse(p, n, &out), length);
	ck_assert_str_eq(out.address, address);
	ck_assert_uint_eq(out.port, port);
	ck_assert_str_eq(out.local_address, local_address);
	ck_assert_uint_eq(out.local_port, local_port);
}

START_TEST(version_1)
{
	const char *v4 = "PROXY TCP4 192.0.2.1 198.51.100.7 56324 25\r\nEHLO";
	const char *v6 = "PROXY TCP6 2001:DB8::1 ::1 65535 0\r\n";
	const char *longest = "PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n";

	expect(v4, strlen(v4), (int)strlen(v4) - 4, "192.0.2.1", 56324, "198.51.100.7", 25);
	expect(v6, strlen(v6), (int)strlen(v6), "2001:db8::1", 65535, "::1", 0);
	expect(longest, strlen(longest), (int)strlen(longest), "", 0, "", 0);
	expect("PROXY UNKNOWN\r\n", 15, 15, "", 0, "", 0);
}
END_TEST

START_TEST(version_1_refused)
{
	static const char *const bad[] = {
		"EHLO example.org\r\n",
		"PROXI TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
		"proxy TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
		"PROXY\r\n",
		"PROXY \r\n",
		"PROXY TCP4\r\n",
		"PROXY TCP5 192.0.2.1 192.0.2.2 1 2\r\n",
		"PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n",
		"PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n",
		"PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n",
		"PROXY TCP4 192.0.2.1 192.0.2.2 1 2 \r\n",
		"PROXY TCP4  192.0.2.1 192.0.2.2 1 2\r\n",
		"PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n",
		"PROXY TCP4 192.0.2.1 192.0.2.2 65536 2\r\n",
		"PROXY TCP4 192.0.2.1 192.0.2.2 -1 2\r\n",
		"PROXY TCP4 192.0.2.1 192.0.2.2 +1 2\r\n",
		"PROXY TCP4 192.0.2 192.0.2.2 1 2\r\n",
		"PROXY TCP4 192.0.2.256 192.0.2.2 1 2\r\n",
		"PROXY TCP4 2001:db8::1 ::1 1 2\r\n",
		"PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n",
		"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\rX",
		"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n\r\n",
		"\r\n\r\n\1",
		"\n",
	};
	struct msv_proxy_header out;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		ck_assert_msg(
		    msv_proxy_parse(bad[i], strlen(bad[i]), &out) == MSV_ERR_FORMAT, "%s", bad[i]);
}
END_TEST

/* A line has 107 bytes at most: without its end they are too many. */
START_TEST(version_1_bounded)
{
	char line[200];
	struct msv_proxy_header out;

	memset(line, 'x', sizeof(line));
	memcpy(line, "PROXY UNKNOWN ", 14);
	ck_assert_int_eq(msv_proxy_parse(line, 106, &out), 0);
	ck_assert_int_eq(msv_proxy_parse(line, 107, &out), MSV_ERR_FORMAT);
	memcpy(line + 105, "\r\n", 2);
	ck_assert_int_eq(msv_proxy_parse(line, 107, &out), 107);
	memcpy(line + 105, "x\r\n", 3);
	ck_assert_int_eq(msv_proxy_parse(line, 108, &out), MSV_ERR_FORMAT);
}
END_TEST

#define MAGIC "\r\n\r\n\0\r\nQUIT\n"

START_TEST(version_2)
{
	const char v4[] = MAGIC "\x21\x11\0\x0c\xc0\0\2\1\xc6\x33\x64\7\xdc\4\0\x19"
	                        "EHLO";
	const char v6[] = MAGIC "\x21\x21\0\x24"
	                        "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1"
	                        "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1"
	                        "\xff\xff\0\x19";
	const char extra[] = MAGIC "\x21\x11\0\x10\xc0\0\2\1\xc6\x33\x64\7\xdc\4\0\x19\4\0\1\0";
	const char local[] = MAGIC "\x20\0\0\0";
	const char local_with_addresses[] =
	    MAGIC "\x20\x11\0\x0c\xc0\0\2\1\xc6\x33\x64\7\xdc\4\0\x19";
	const char unix_socket[] = MAGIC "\x21\x31\0\2ab";

	expect(v4, sizeof(v4) - 1, 28, "192.0.2.1", 56324, "198.51.100.7", 25);
	expect(v6, sizeof(v6) - 1, 52, "2001:db8::1", 65535, "::1", 25);
	expect(extra, sizeof(extra) - 1, 32, "192.0.2.1", 56324, "198.51.100.7", 25);
	expect(local, sizeof(local) - 1, 16, "", 0, "", 0);
	expect(local_with_addresses, sizeof(local_with_addresses) - 1, 28, "", 0, "", 0);
	expect(unix_socket, sizeof(unix_socket) - 1, 18, "", 0, "", 0);
}
END_TEST

START_TEST(version_2_refused)
{
	const char command[] = MAGIC "\x22\x11\0\0";
	const char version[] = MAGIC "\x11\x11\0\0";
	const char too_short[] = MAGIC "\x21\x11\0\x0b\xc0\0\2\1\xc6\x33\x64\7\xdc\4\0";
	const char too_short_6[] = MAGIC "\x21\x21\0\x0c\xc0\0\2\1\xc6\x33\x64\7\xdc\4\0\0";
	const char too_long[] = MAGIC "\x21\x11\2\x09";
	struct msv_proxy_header out;

	ck_assert_int_eq(msv_proxy_parse(command, 13, &out), MSV_ERR_FORMAT);
	ck_assert_int_eq(msv_proxy_parse(version, 16, &out), MSV_ERR_FORMAT);
	ck_assert_int_eq(msv_proxy_parse(too_short, sizeof(too_short) - 1, &out), MSV_ERR_FORMAT);
	ck_assert_int_eq(
	    msv_proxy_parse(too_short_6, sizeof(too_short_6) - 1, &out), MSV_ERR_FORMAT);
	ck_assert_int_eq(msv_proxy_parse(too_long, 16, &out), MSV_ERR_FORMAT);
}
END_TEST

/* The longest there may be: 536 bytes. */
START_TEST(version_2_bounded)
{
	char p[536] = MAGIC "\x20\0\2\x08";
	struct msv_proxy_header out;

	ck_assert_int_eq(parse(p, sizeof(p), &out), 536);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("proxy");

	check_case(s, "version 1", version_1, version_1_refused, version_1_bounded);
	check_case(s, "version 2", version_2, version_2_refused, version_2_bounded);
	return check_main(s);
}
