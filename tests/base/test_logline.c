/* Lines of the log in key=value form. */
#include <mailserv/testing.h>
#include <string.h>

#include "base/logline.h"
#include "check_main.h"

static void write_line(struct msv_test_env *test)
{
	struct msv_logline l;

	msv_logline_begin(&l, msv_test_env(test), MSV_LOG_INFO, "smtp", "message");
	msv_logline_text(&l, "plain", "a@b.example");
	msv_logline_text(&l, "nothing", NULL);
	msv_logline_text(&l, "empty", "");
	msv_logline_text(&l, "words", "two words");
	msv_logline_text(&l, "quotes", "a\"b\\c");
	msv_logline_text(&l, "like", "x=1");
	msv_logline_text(&l, "controls", "a\r\nb\x1b");
	msv_logline_number(&l, "size", UINT64_MAX);
	msv_logline_end(&l);
}

START_TEST(values)
{
	struct msv_test_env *test;

	ck_assert_int_eq(msv_test_env_new(0, &test), 0);
	write_line(test);
	ck_assert_str_eq(msv_test_log(test),
	    "info: smtp message plain=a@b.example empty=\"\" words=\"two words\" "
	    "quotes=\"a\\\"b\\\\c\" like=\"x=1\" controls=a\\x0d\\x0ab\\x1b "
	    "size=18446744073709551615\n");
	ck_assert_uint_eq(msv_test_env_free(test), 0);
}
END_TEST

/* A line is written whatever happens; what it lacks is said. */
START_TEST(no_memory)
{
	struct msv_test_env *test;

	for (uint64_t i = 0; i < 8; i++) {
		ck_assert_int_eq(msv_test_env_new(0, &test), 0);
		msv_test_fail_alloc(test, i, true);
		write_line(test);
		const char *line = msv_test_log(test);
		ck_assert(strstr(line, "size=18446744073709551615\n") ||
		          strstr(line, " (no memory for the rest of this line)\n"));
		ck_assert_uint_eq(msv_test_env_free(test), 0);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("base/logline");

	check_case(s, "logline", values, no_memory);
	return check_main(s);
}
