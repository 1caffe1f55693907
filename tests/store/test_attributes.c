#include "store/attributes.h"

#include <mailserv/testing.h>
#include <string.h>

#include "check_main.h"

static struct msv_test_env *test;
static struct msv_buf out;

static void setup(void)
{
	ck_assert_int_eq(msv_test_env_new(0, &test), 0);
	msv_buf_init(&out, msv_test_env(test));
}

static void teardown(void)
{
	msv_buf_fini(&out);
	ck_assert_uint_eq(msv_test_env_free(test), 0);
}

static struct msv_span span(const char *s)
{
	return (struct msv_span){ s, strlen(s) };
}

static const char *edit(const char *file, const struct msv_attributes_edit *change)
{
	msv_buf_clear(&out);
	ck_assert_int_eq(msv_attributes_edit(span(file), change, &out), 0);
	return msv_buf_cstr(&out);
}

static const char file[] = "mailserv-attributes 1\n"
                           "uidvalidity 77\n"
                           "use \\Sent,\\Archive A\tB c\n"
                           "later something\n"
                           "use \\Junk AB\n";

START_TEST(test_read)
{
	struct msv_span rest = span(file), mailbox;
	uint32_t use;

	ck_assert_uint_eq(msv_attributes_uidvalidity(file, strlen(file)), 77);
	ck_assert(msv_attributes_next_use(&rest, &mailbox, &use));
	ck_assert_uint_eq(use, MSV_USE_SENT | MSV_USE_ARCHIVE);
	ck_assert_uint_eq(mailbox.n, 5);
	ck_assert_mem_eq(mailbox.p, "A\tB c", 5);
	ck_assert(msv_attributes_next_use(&rest, &mailbox, &use));
	ck_assert_uint_eq(use, MSV_USE_JUNK);
	ck_assert(!msv_attributes_next_use(&rest, &mailbox, &use));
	ck_assert_uint_eq(msv_attributes_uidvalidity("uidvalidity 99999999999\n", 24), 0);
	ck_assert_uint_eq(msv_attributes_uidvalidity("", 0), 0);
}
END_TEST

START_TEST(test_edit)
{
	ck_assert_str_eq(edit(file, &(struct msv_attributes_edit){ 0 }),
	    "mailserv-attributes 1\nuidvalidity 77\nuse \\Archive,\\Sent A\tB c\nlater something\n"
	    "use \\Junk AB\n");
	ck_assert_str_eq(edit("",
	                     &(struct msv_attributes_edit){
	                         .uidvalidity = 5, .set = span("Bin"), .use = MSV_USE_TRASH }),
	    "mailserv-attributes 1\nuidvalidity 5\nuse \\Trash Bin\n");
	ck_assert_str_eq(edit(file, &(struct msv_attributes_edit){ .set = span("AB") }),
	    "mailserv-attributes 1\nuidvalidity 77\nuse \\Archive,\\Sent A\tB c\nlater "
	    "something\n");
	/* Children follow, namesakes do not. */
	ck_assert_str_eq(
	    edit(file, &(struct msv_attributes_edit){ .from = span("A"), .to = span("X\tY") }),
	    "mailserv-attributes 1\nuidvalidity 77\nuse \\Archive,\\Sent X\tY\tB c\n"
	    "later something\nuse \\Junk AB\n");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("store/attributes");
	TCase *tc = tcase_create("attributes");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_read);
	tcase_add_test(tc, test_edit);
	suite_add_tcase(s, tc);
	return check_main(s);
}
