/* Finding control characters many bytes at a time, beside looking at each. */
#include "check_main.h"
#include "codec/controls.h"

#include <stdlib.h>

static size_t one_by_one(const char *p, size_t n)
{
	size_t i = 0;

	while (i < n && (unsigned char)p[i] >= 14)
		i++;
	return i;
}

/* Each byte at each place, among bytes that are nearly like it. */
START_TEST(test_each_byte)
{
	static const unsigned char others[] = { 14, 127, 128, 142, 255 };
	char text[40];

	for (size_t other = 0; other < sizeof(others); other++) {
		for (unsigned byte = 0; byte < 256; byte++) {
			for (size_t at = 0; at < sizeof(text); at++) {
				memset(text, others[other], sizeof(text));
				text[at] = (char)byte;
				ck_assert_uint_eq(msv_until_control(text, sizeof(text)),
				    byte < 14 ? at : sizeof(text));
			}
		}
	}
}
END_TEST

START_TEST(test_any_text)
{
	char text[64];

	srand(5);
	for (unsigned i = 0; i < 200000; i++) {
		size_t from = (size_t)rand() % 8, n = (size_t)rand() % (sizeof(text) - 8);
		for (size_t k = 0; k < sizeof(text); k++)
			text[k] = (char)(rand() % 8 ? 14 + rand() % 242 : rand() % 256);
		ck_assert_uint_eq(msv_until_control(text + from, n), one_by_one(text + from, n));
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("codec/controls");

	check_case(s, "controls", test_each_byte, test_any_text);
	return check_main(s);
}
