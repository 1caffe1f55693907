/* The life of Maildirs with memory running out at every allocation: no crash, no
 * leak, no lock left behind, nothing half done. */
#include "check_main.h"
#include "store/world.h"

/* Three that wait for each other. */
static int deliver_three(void)
{
	struct msv_append_message message = { .size = sizeof(message) };
	struct msv_append *append[3];
	unsigned n = 0;
	int error = 0;

	while (!error && n < 3) {
		error = do_begin("INBOX");
		if (!error)
			append[n++] = got.append;
		if (!error)
			error = do_add(got.append, &message);
		if (!error)
			error = do_write(got.append, "x\r\n", 3);
	}
	if (error) {
		while (n > 0)
			store->append_abort(store->self, append[--n]);
		return error;
	}
	commit_together(append, n);
	for (unsigned i = 0; i < n && !error; i++)
		error = together[i].error;
	return error;
}

/* Everything a session does.  Errors are let be: the first ends it. */
static int live(void)
{
	struct msv_mailbox *mailbox = NULL;
	struct msv_open_message *message = NULL;
	int error = deliver_later("INBOX", "none\r\n");

	if (!error)
		error = deliver_three();
	if (!error)
		error = do_list();
	if (!error)
		error = do_create("A.B", MSV_USE_SENT);
	if (!error)
		error = do_subscribe("A.B", true);
	if (!error)
		error = deliver("INBOX", "one\r\n", MSV_FLAG_SEEN, "word");
	if (!error)
		error = deliver("INBOX", "two\r\n", 0, NULL);
	if (!error)
		error = do_open("INBOX", false);
	if (!error)
		mailbox = got.open.mailbox;
	if (!error)
		error = deliver("INBOX", "three\r\n", MSV_FLAG_DELETED, "other");
	if (!error)
		error = do_changes(mailbox, 0);
	if (!error)
		error = do_fetch(mailbox, 1, 9, MSV_FIELD_OCTETS | MSV_FIELD_DATES | MSV_FIELD_IDS);
	if (!error)
		error = do_flags(mailbox, 1, 2, MSV_FLAGS_ADD, MSV_FLAG_FLAGGED, "third");
	if (!error)
		error = do_copy(mailbox, 1, 3, "A.B", false);
	if (!error)
		error = do_copy(mailbox, 1, 1, "A.B", true);
	if (!error)
		error = do_msg_open(mailbox, 2);
	if (!error)
		message = got.content.message;
	if (!error)
		error = do_read(message, 0, 100);
	if (message)
		store->msg_close(store->self, message);
	if (!error)
		error = do_expunge(mailbox);
	if (!error)
		error = do_rename("A.B", "C.D");
	if (!error)
		error = do_status("C.D");
	if (!error)
		error = do_rename("INBOX", "E");
	if (!error)
		error = do_remove("C.D");
	if (mailbox)
		do_close(mailbox);
	return error;
}

/* True when a command finds nothing. */
static bool nothing(const char *find)
{
	char command[600];

	snprintf(command, sizeof(command), "test -z \"$(find '%s' %s)\"", scratch, find);
	return system(command) == 0;
}

static void run_out(uint64_t at, bool forever)
{
	world_setup();
	msv_test_fail_alloc(test, at, forever);
	int error = live();
	msv_test_fail_alloc(test, UINT64_MAX, false);
	ck_assert_msg(!error || error == MSV_ERR_NOMEM, "%d at %llu: %s", error,
	    (unsigned long long)at, msv_test_log(test));
	msv_test_run(test);
	ck_assert(nothing("-name '*.lock'"));
	ck_assert(nothing("-path '*/tmp/*'"));
	/* It all works again. */
	ck_assert_int_eq(deliver("INBOX", "after\r\n", 0, NULL), 0);
	do_close(opened("INBOX", false));
	world_teardown();
}

static uint64_t allocations(void)
{
	uint64_t n;

	world_setup();
	n = msv_test_allocs(test);
	ck_assert_int_eq(live(), 0);
	n = msv_test_allocs(test) - n;
	world_teardown();
	return n;
}

START_TEST(test_once)
{
	uint64_t n = allocations();

	ck_assert_uint_gt(n, 300);
	for (uint64_t i = 0; i < n; i++)
		run_out(i, false);
}
END_TEST

START_TEST(test_from_then_on)
{
	uint64_t n = allocations();

	for (uint64_t i = 0; i < n; i += 3)
		run_out(i, true);
}
END_TEST

/* A message of a million messages' mailbox takes 60 bytes and its name. */
START_TEST(test_bytes_a_message)
{
	enum { N = 20000 };
	char name[128];

	world_setup();
	make_maildir("ann");
	for (unsigned i = 0; i < N; i++) {
		snprintf(
		    name, sizeof(name), "ann/cur/1795369191.M%06uP17066.host,S=16,W=18:2,S", i);
		scratch_puts(name, "");
	}
	size_t before = msv_test_memory(test);
	struct msv_mailbox *mailbox = opened("INBOX", false);
	ck_assert_uint_eq(got.open.status.messages, N);
	size_t name_size = strlen("1795369191.M000000P17066.host,S=16,W=18") + 2;
	ck_assert_uint_lt((msv_test_memory(test) - before) / N, 100 + name_size);
	do_close(mailbox);
	world_teardown();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("store/maildir_memory");

	check_case(s, "memory", test_once, test_from_then_on, test_bytes_a_message);
	return check_main(s);
}
