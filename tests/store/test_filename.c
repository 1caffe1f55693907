#include "store/filename.h"

#include <string.h>

#include "check_main.h"

static const struct {
	const char *name, *base, *info;
	uint32_t flags, letters;
	bool plain;
} names[] = {
	{ "1.a.host,S=3,W=4:2,", "1.a.host,S=3,W=4", ":2,", 0, 0, true },
	{ "1.a.host", "1.a.host", "", 0, 0, false },
	{ "1.a:2,DFPRST", "1.a", ":2,DFPRST",
	    MSV_FLAG_DRAFT | MSV_FLAG_FLAGGED | MSV_FLAG_PASSED | MSV_FLAG_ANSWERED |
	        MSV_FLAG_SEEN | MSV_FLAG_DELETED,
	    0, true },
	{ "1.a:2,Saz", "1.a", ":2,Saz", MSV_FLAG_SEEN, 1u | 1u << 25, true },
	{ "1.a:2,SF", "1.a", ":2,SF", MSV_FLAG_SEEN | MSV_FLAG_FLAGGED, 0, false },
	{ "1.a:2,SX", "1.a", ":2,SX", MSV_FLAG_SEEN, 0, false },
	{ "1.a:2,S,x=1", "1.a", ":2,S,x=1", MSV_FLAG_SEEN, 0, false },
	{ "1.a:1,exp", "1.a", ":1,exp", 0, 0, false },
	{ "with space:2,S", "with space", ":2,S", MSV_FLAG_SEEN, 0, true },
};

START_TEST(test_parse)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct msv_filename f;
		ck_assert(msv_filename_parse(names[i].name, &f));
		ck_assert_uint_eq(f.base.n, strlen(names[i].base));
		ck_assert_mem_eq(f.base.p, names[i].base, f.base.n);
		ck_assert_str_eq(f.info, names[i].info);
		ck_assert_uint_eq(f.flags, names[i].flags);
		ck_assert_uint_eq(f.letters, names[i].letters);
		ck_assert_msg(f.plain == names[i].plain, "%s", names[i].name);
	}
}
END_TEST

START_TEST(test_parse_none)
{
	static const char *const none[] = { "", ".hidden", ":2,S", "a\nb", "a\tb", "a\x7f" };
	char longest[MSV_FILENAME_SIZE + 1];
	struct msv_filename f;

	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		ck_assert_msg(!msv_filename_parse(none[i], &f), "%zu", i);
	memset(longest, 'x', sizeof(longest));
	longest[MSV_FILENAME_SIZE] = '\0';
	ck_assert(!msv_filename_parse(longest, &f));
	longest[MSV_FILENAME_SIZE - 1] = '\0';
	ck_assert(msv_filename_parse(longest, &f));
}
END_TEST

/* Every set of flags and some letters come back, in ASCII order. */
START_TEST(test_info)
{
	static const uint32_t letters[] = { 0, 1, 1u << 25, (1u << 26) - 1 };
	char info[MSV_INFO_SIZE], name[MSV_INFO_SIZE + 1];

	for (uint32_t flags = 0; flags < 128; flags++) {
		for (size_t i = 0; i < 4; i++) {
			struct msv_filename f;
			size_t n = msv_filename_info(flags, letters[i], info);
			ck_assert_uint_eq(n, strlen(info));
			for (size_t j = 4; j < n; j++)
				ck_assert(info[j] > info[j - 1]);
			name[0] = 'x';
			memcpy(name + 1, info, n + 1);
			ck_assert(msv_filename_parse(name, &f));
			ck_assert(f.plain);
			ck_assert_uint_eq(f.flags, flags & ~(uint32_t)MSV_FLAG_RECENT);
			ck_assert_uint_eq(f.letters, letters[i]);
		}
	}
}
END_TEST

START_TEST(test_change_info)
{
	static const struct {
		const char *old;
		uint32_t flags, letters;
		const char *now;
	} cases[] = {
		{ "", MSV_FLAG_SEEN, 0, ":2,S" },
		{ ":2,", MSV_FLAG_SEEN | MSV_FLAG_DRAFT, 2, ":2,DSb" },
		{ ":2,XSa", MSV_FLAG_FLAGGED, 1, ":2,FXa" },
		{ ":2,XX", 0, 0, ":2,X" },
		{ ":2,S,x=1", 0, 0, ":2,,x=1" },
		{ ":1,exp", MSV_FLAG_SEEN, 0, ":2,S" },
	};
	char out[64];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ck_assert_int_eq(msv_filename_change_info(cases[i].old, cases[i].flags,
		                     cases[i].letters, out, sizeof(out)),
		    0);
		ck_assert_str_eq(out, cases[i].now);
	}
	ck_assert_int_eq(msv_filename_change_info(":2,XYZ", 0, 0, out, 6), MSV_ERR_LIMIT);
}
END_TEST

START_TEST(test_sizes)
{
	static const struct {
		const char *base;
		bool has_s, has_w;
		uint64_t s, w;
	} cases[] = {
		{ "1.a,S=12,W=34", true, true, 12, 34 },
		{ "1.a,W=34,S=12", true, true, 12, 34 },
		{ "1.a", false, false, 0, 0 },
		{ "1.a,S=", false, false, 0, 0 },
		{ "1.a,S=1x", false, false, 0, 0 },
		{ "1.a,S=0", true, false, 0, 0 },
		{ "1.a,S=99999999999999999999999999", false, false, 0, 0 },
		{ "1,S=5,x=1", true, false, 5, 0 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t s = 0, w = 0;
		size_t n = strlen(cases[i].base);
		ck_assert_msg(msv_filename_size(cases[i].base, n, 'S', &s) == cases[i].has_s, "%s",
		    cases[i].base);
		ck_assert(msv_filename_size(cases[i].base, n, 'W', &w) == cases[i].has_w);
		if (cases[i].has_s)
			ck_assert_uint_eq(s, cases[i].s);
		if (cases[i].has_w)
			ck_assert_uint_eq(w, cases[i].w);
	}
}
END_TEST

START_TEST(test_host)
{
	char out[64];

	msv_filename_host("mail.example.org", out);
	ck_assert_str_eq(out, "mail.example.org");
	msv_filename_host("a/b:c,d", out);
	ck_assert_str_eq(out, "a\\057b\\072c\\054d");
	msv_filename_host("::::::::::::::::::::::::::::::::::", out);
	ck_assert_uint_lt(strlen(out), 64);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("store/filename");

	check_case(s, "names", test_parse, test_parse_none, test_info, test_change_info);
	check_case(s, "parts", test_sizes, test_host);
	return check_main(s);
}
