#include "codec/xtext.h"

#include "buf_fixture.h"

static int decode(const char *text, bool utf8, char room[64])
{
	int n = msv_xtext_decode((struct msv_span){ text, strlen(text) }, utf8, room, 63);

	if (n >= 0)
		room[n] = '\0';
	return n;
}

START_TEST(xtext)
{
	static const char *const wrong[] = { "a=b", "a b", "a\tb", "+", "a+2", "+2b", "+ZZ",
		"\x7f" };
	char room[64];

	ck_assert_int_eq(decode("a+2Bb+3D+20+0D", false, room), 6);
	ck_assert_str_eq(room, "a+b= \r");
	ck_assert_int_eq(decode("\xc3\xa9", false, room), MSV_ERR_FORMAT);
	ck_assert_int_eq(decode("\xc3\xa9", true, room), 2);
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		ck_assert_msg(decode(wrong[i], true, room) == MSV_ERR_FORMAT, "%s", wrong[i]);
	/* No more than there is room for. */
	ck_assert_int_eq(
	    msv_xtext_decode((struct msv_span){ "abcd", 4 }, false, room, 3), MSV_ERR_FORMAT);
}
END_TEST

START_TEST(xtext_all_octets)
{
	char octets[256], back[256];

	for (int i = 0; i < 256; i++)
		octets[i] = (char)i;
	ck_assert_int_eq(msv_xtext_encode(octets, 256, &out), 0);
	struct msv_span text = { msv_buf_data(&out), msv_buf_len(&out) };
	ck_assert_int_eq(msv_xtext_decode(text, false, back, 256), 256);
	ck_assert_mem_eq(octets, back, 256);
}
END_TEST

static int undo(const char *text, char room[64])
{
	strcpy(room, text);
	int n = msv_unitext_decode(room, strlen(room));

	if (n >= 0)
		room[n] = '\0';
	return n;
}

START_TEST(unitext)
{
	static const char *const wrong[] = { "\\", "\\x", "\\x{", "\\x{}", "\\x{1}", "\\x{0A}",
		"\\x{7F}", "\\x{85}", "\\x{2028}", "\\x{D800}", "\\x{DFFF}", "\\x{110000}",
		"\\x{e9}", "\\x{E9", "\\x{1234567}", "\\n", "a\nb", "\xc3", "\xff", "\xc2\x85" };
	char room[64];

	ck_assert_int_eq(undo("a\\x{2B}b\\x{E9}\\x{1F600}\\x{20AC}c", room), 13);
	ck_assert_str_eq(room, "a+b\xc3\xa9\xf0\x9f\x98\x80\xe2\x82\xac"
	                       "c");
	ck_assert_int_eq(undo("\xc3\xa9", room), 2);
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		ck_assert_msg(undo(wrong[i], room) == MSV_ERR_FORMAT, "%s", wrong[i]);
}
END_TEST

START_TEST(unitext_there_and_back)
{
	static const char text[] = "a+b=c\\d e\xc3\xa9\xf0\x9f\x98\x80@x";
	char room[64];

	ck_assert_int_eq(msv_unitext_encode(text, sizeof text - 1, &out), 0);
	const char *encoded = taken();
	ck_assert_str_eq(encoded, "a\\x{2B}b\\x{3D}c\\x{5C}d\\x{20}e\\x{E9}\\x{1F600}@x");
	ck_assert_int_eq(undo(encoded, room), sizeof text - 1);
	ck_assert_str_eq(room, text);
	ck_assert_int_eq(msv_unitext_encode("\xc3", 1, &out), MSV_ERR_FORMAT);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("codec/xtext");

	buf_case(s, "xtext", xtext, xtext_all_octets, unitext, unitext_there_and_back);
	return check_main(s);
}
