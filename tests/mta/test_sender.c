/* Who may send as which address. */
#include <mailserv/testing.h>
#include <stdio.h>
#include <string.h>

#include "check_main.h"
#include "mta/aliases.h"

static struct msv_test_env *test;
static struct msv_env *env;
static struct msv_aliases *aliases;
static struct msv_senders senders;
static char asked[4096], reason[4096];

static const char aliases_text[] = "sales: anna\n"
                                   "team: bert, anna, x@else.org\n"
                                   "far: anna@else.org\n"
                                   "@old.example: @example.org\n"
                                   "@example.com: anna@example.org\n"
                                   "carl: bert\n";
static const char *const pairs[][2] = { { "bert@example.org", "friend@else.org" },
	{ "bert@example.org", "@club.example" }, { "scanner", "scans@example.org" },
	{ "Bert@Example.org", "\"b b\"@else.org" }, { "list@example.org", "*" },
	{ "*", "noreply@example.org" } };

static int load_senders(void)
{
	const char *mistake;
	int error = 0;

	for (size_t i = 0; i < sizeof pairs / sizeof *pairs && !error; i++)
		error = msv_senders_add(&senders, pairs[i][0], pairs[i][1], &mistake);
	return error;
}

static int load(void)
{
	static const char *const domains[] = { "example.org", "example.com", "old.example" };
	struct msv_aliases_options options = { .domains = domains, .ndomains = 3 };

	msv_aliases_unref(aliases);
	aliases = NULL;
	msv_senders_fini(&senders);
	int error = msv_aliases_new(env, &options, aliases_text, strlen(aliases_text), &aliases);
	return error ? error : load_senders();
}

static void setup(void)
{
	ck_assert_int_eq(msv_test_env_new(7, &test), 0);
	env = msv_test_env(test);
	msv_senders_init(&senders, env);
	ck_assert_int_eq(load(), 0);
}

static void teardown(void)
{
	msv_aliases_unref(aliases);
	aliases = NULL;
	msv_senders_fini(&senders);
	ck_assert_uint_eq(msv_test_env_free(test), 0);
}

static bool is_account(const char *name)
{
	static const char *const accounts[] = { "anna@example.org", "bert@example.org",
		"carl@example.com", "plus@example.org", "plus+sign@example.org", "two@example.org",
		"two@example.com", NULL };

	for (size_t i = 0; accounts[i]; i++)
		if (strcmp(accounts[i], name) == 0)
			return true;
	return false;
}

/* The answer; what was looked up is in `asked`, the words are in `reason`. */
static int ask(const char *account, const char *address)
{
	struct msv_smtp_mailbox box;
	struct msv_sender_check check = { 0 };
	struct msv_buf why;

	memset(&box, 0, sizeof box);
	if (*address)
		ck_assert_int_eq(msv_smtp_mailbox_parse(address, strlen(address), &box), 0);
	struct msv_smtp_address from = msv_smtp_address_of(&box);
	struct msv_sender_question question = { aliases, &senders, account, &from };
	asked[0] = '\0';
	msv_buf_init(&why, env);
	int error = msv_sender_check(env, &question, &check, &why);
	for (int i = 0; error == MSV_ERR_BUSY; i++) {
		ck_assert_int_lt(i, MSV_SENDER_ASKS_MAX);
		ck_assert_uint_eq(msv_buf_len(&why), 0);
		strcat(strcat(asked, check.ask), " ");
		error = msv_sender_answer(&check, is_account(check.ask), &why);
	}
	snprintf(reason, sizeof reason, "%.*s", (int)msv_buf_len(&why), msv_buf_data(&why));
	msv_sender_check_fini(&check);
	msv_buf_fini(&why);
	return error;
}

#define yes(account, address) ck_assert_int_eq(ask(account, address), 0)
#define no(account, address)  ck_assert_int_eq(ask(account, address), MSV_ERR_DENIED)

START_TEST(own)
{
	yes("anna@example.org", "");
	yes("anna@example.org", "Anna@Example.ORG");
	ck_assert_str_eq(asked, "");
	ck_assert_str_eq(reason, "the account's own address");
	yes("anna@example.org", "anna+news@example.org");
	ck_assert_str_eq(asked, "anna+news@example.org ");
	yes("plus+sign@example.org", "plus+sign@example.org");
	/* That is an account of its own. */
	no("plus@example.org", "plus+sign@example.org");
	no("anna@example.org", "bert@example.org");
	ck_assert_str_eq(asked, "bert@example.org ");
	ck_assert_str_eq(reason,
	    "anna@example.org may not send as bert@example.org; use an address of this account, or "
	    "ask the administrator to allow this one");
	no("anna@example.org", "anna@else.org");
	ck_assert_str_eq(asked, "");
	no("anna@example.org", "nobody@example.org");
	no("anna@example.org", "bert+x@example.org");
	/* An account that only sends has the address of its name. */
	yes("scanner", "scanner@example.org");
	yes("Scanner", "scanner@example.com");
	no("scanner", "scanner@else.org");
	no("scanner", "scanners@example.org");
	no("bert", "bert@example.org");
	/* The alias takes mail away, not the address. */
	yes("carl@example.com", "carl@example.com");
}
END_TEST

START_TEST(by_alias)
{
	yes("anna@example.org", "sales@example.org");
	ck_assert_str_eq(asked, "");
	ck_assert_str_eq(reason, "mail to this address reaches the account");
	yes("anna@example.org", "team@example.org");
	yes("bert@example.org", "team+x@example.org");
	yes("bert@example.org", "carl@example.org");
	/* The bare name means the first account of that name. */
	yes("anna@example.org", "sales@example.com");
	ck_assert_str_eq(asked, "anna@example.com ");
	no("bert@example.org", "sales@example.org");
	no("anna@example.org", "far@example.org");
}
END_TEST

START_TEST(by_domain)
{
	yes("anna@example.org", "anna@old.example");
	ck_assert_str_eq(asked, "anna@old.example ");
	yes("anna@example.org", "anything@example.com");
	no("anna@example.org", "two@example.com");
	no("anna@example.org", "bert@old.example");
	yes("bert@example.org", "bert+tag@old.example");
}
END_TEST

START_TEST(by_table)
{
	yes("bert@example.org", "Friend@else.org");
	ck_assert_str_eq(reason, "allowed by the table of senders");
	yes("BERT@example.org", "friend+x@else.org");
	yes("bert@example.org", "any.one@Club.Example");
	yes("bert@example.org", "\"b b\"@else.org");
	ck_assert_str_eq(reason, "allowed by the table of senders");
	no("bert@example.org", "other@else.org");
	no("anna@example.org", "friend@else.org");
	yes("anna@example.org", "noreply@example.org");
	yes("scanner", "scans@example.org");
	no("scanner", "anna@example.org");
	yes("list@example.org", "who@ever.example");
}
END_TEST

static void wrong(const char *account, const char *as, const char *wanted)
{
	const char *mistake;

	ck_assert_int_eq(msv_senders_add(&senders, account, as, &mistake), MSV_ERR_FORMAT);
	ck_assert_str_eq(mistake, wanted);
}

START_TEST(mistakes)
{
	static const char account[] = "this is no account; write user@example.org, user or *";
	static const char as[] = "accounts may send as an address, as @example.org or as *";

	wrong("two words", "a@b.example", account);
	wrong("@example.org", "a@b.example", account);
	wrong("@", "a@b.example", account);
	wrong("", "a@b.example", account);
	wrong("anna@example.org", "bare", as);
	wrong("anna@example.org", "@", as);
	wrong("anna@example.org", "z@z z", as);
	wrong("anna@example.org", "", as);
	ck_assert_uint_eq(senders.table.n, sizeof pairs / sizeof *pairs);
}
END_TEST

/* A long list is not asked for in full, but who is in it is found. */
START_TEST(long_list)
{
	char *text = malloc(9000 * 32 + 100), *p = text + sprintf(text, "all: ");
	static const char *const domains[] = { "example.org", "example.com" };
	struct msv_aliases_options options = { .domains = domains, .ndomains = 2 };

	for (int i = 0; i < 9000; i++)
		p += sprintf(p, "u%d@example.com, ", i);
	p += sprintf(p, "anna@example.org\n");
	msv_aliases_unref(aliases);
	ck_assert_int_eq(msv_aliases_new(env, &options, text, strlen(text), &aliases), 0);
	yes("anna@example.org", "all@example.org");
	ck_assert_str_eq(asked, "");
	no("bert@example.org", "all@example.org");
	free(text);
}
END_TEST

static int play(void)
{
	static const char *const asks[][2] = { { "bert@example.org", "any.one@club.example" },
		{ "anna@example.org", "anna+tag@example.org" },
		{ "anna@example.org", "nobody@example.com" },
		{ "bert@example.org", "bert@old.example" } };
	int error = load();

	for (size_t i = 0; i < sizeof asks / sizeof *asks && !error; i++)
		error = ask(asks[i][0], asks[i][1]);
	return error;
}

START_TEST(no_memory)
{
	uint64_t before = msv_test_allocs(test), n;

	ck_assert_int_eq(play(), 0);
	n = msv_test_allocs(test) - before;
	for (uint64_t i = 0; i < n; i++) {
		msv_test_fail_alloc(test, i, false);
		ck_assert_int_eq(play(), MSV_ERR_NOMEM);
	}
	msv_test_fail_alloc(test, UINT64_MAX, false);
	ck_assert_int_eq(play(), 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("mta/sender");

	check_fixture_case(s, "sender", setup, teardown, own, by_alias, by_domain, by_table,
	    mistakes, long_list, no_memory);
	return check_main(s);
}
