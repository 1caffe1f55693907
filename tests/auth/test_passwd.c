/* passwd-files: what lines mean, what is reported, and when contents are taken. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth_test.h"

static struct msv_test_env *t;
static struct msv_env *env;
static char directory[64], path[128];

static void setup(void)
{
	ck_assert_int_eq(msv_test_env_new(0, &t), 0);
	env = msv_test_env(t);
	strcpy(directory, "/tmp/msv-passwd-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/passwd", directory);
}

static void teardown(void)
{
	ck_assert_uint_eq(msv_test_env_free(t), 0);
	(void)unlink(path);
	ck_assert_int_eq(rmdir(directory), 0);
}

/* -- Contents handed over --------------------------------------------------------- */

static struct msv_passwd *loaded(const char *text, size_t n)
{
	struct msv_passwd *p;

	ck_assert_int_eq(msv_passwd_new(env, NULL, &p), 0);
	ck_assert_uint_eq(msv_passwd_count(p), 0);
	(void)msv_test_log(t);
	ck_assert_int_eq(msv_passwd_load(p, "passwd", text, n), 0);
	return p;
}

static struct msv_passwd *load(const char *text)
{
	return loaded(text, strlen(text));
}

static struct answer look_up(struct msv_passwd *p, const char *name)
{
	return lookup(t, msv_passwd_auth(p), name);
}

static int try(struct msv_passwd *p, const char *user, const char *password)
{
	return login(t, msv_passwd_auth(p), user, password).error;
}

START_TEST(typical_lines)
{
	struct msv_passwd *p =
	    load("# accounts\n"
	         "\n"
	         "  # indented\n"
	         " \t\n"
	         "ann@example.org:{PLAIN}pw:vmail:2000:2000:/var/vmail/example.org/"
	         "ann::userdb_mail=maildir:/var/vmail/example.org/ann "
	         "userdb_quota_rule=*:storage=1G nodelay\n"
	         "Bob@Example.ORG:{PLAIN}pw2\n"
	         "carol:{PLAIN}pw3::::/home/carol\r\n"
	         "dave@example.org:\n"
	         "erin@example.org:{PLAIN}last");

	ck_assert_uint_eq(msv_passwd_count(p), 5);
	ck_assert_str_eq(msv_test_log(t), "info: passwd: 5 accounts\n");
	struct answer a = look_up(p, "ann@example.org");
	ck_assert_str_eq(a.account, "ann@example.org");
	ck_assert_str_eq(a.home, "/var/vmail/example.org/ann");
	ck_assert(a.receives);
	ck_assert_uint_eq(a.quota_storage, 1 << 30);
	ck_assert_uint_eq(a.quota_messages, 0);
	ck_assert_str_eq(a.extra, "userdb_mail=maildir:/var/vmail/example.org/ann;"
	                          "userdb_quota_rule=*:storage=1G;nodelay=yes;");
	a = look_up(p, "bob@example.org");
	ck_assert_str_eq(a.account, "bob@example.org");
	ck_assert_str_eq(a.home, "");
	ck_assert_str_eq(look_up(p, "BOB@EXAMPLE.ORG").account, "bob@example.org");
	a = look_up(p, "carol");
	ck_assert_str_eq(a.home, "/home/carol");
	ck_assert(!a.receives);
	ck_assert_int_eq(look_up(p, "dave@example.org").error, 0);
	ck_assert_int_eq(try(p, "dave@example.org", ""), MSV_ERR_AUTH);
	ck_assert_int_eq(try(p, "erin@example.org", "last"), 0);
	ck_assert_int_eq(look_up(p, "nobody@example.org").error, MSV_ERR_NOTFOUND);
	ck_assert_int_eq(look_up(p, "").error, MSV_ERR_NOTFOUND);
	ck_assert_int_eq(look_up(p, "../ann@example.org").error, MSV_ERR_NOTFOUND);
	msv_passwd_free(p);
}
END_TEST

static void take_uid(void *user, int error, const void *result)
{
	const struct msv_account *a = result;

	ck_assert_int_eq(error, 0);
	snprintf(user, 64, "%s/%s", a->uid, a->gid);
}

START_TEST(uid_and_gid)
{
	struct msv_passwd *p =
	    load("a:{PLAIN}x:vmail:2000:2000:/h\nb:{PLAIN}x:1000:100\nc:{PLAIN}x\n");
	const struct msv_auth *auth = msv_passwd_auth(p);
	static const char *const names[] = { "a", "b", "c" };
	static const char *const expected[] = { "vmail/2000", "1000/100", "/" };

	for (int i = 0; i < 3; i++) {
		char got[64] = "";
		struct msv_op *op = msv_op_new(env, take_uid, got);
		auth->lookup(auth->self, names[i], (struct msv_auth_op){ op });
		msv_test_run(t);
		ck_assert_str_eq(got, expected[i]);
	}
	msv_passwd_free(p);
}
END_TEST

/* Each broken line, and what is said about it. */
static const struct {
	const char *line, *report;
} broken[] = {
	{ "just some words", "no colon; a line is user:hash:uid:gid:gecos:home:shell:extra" },
	{ ":{PLAIN}x", "the user name is empty" },
	{ "a/b@example.org:{PLAIN}x", "not a user name: it has at most one @, no /, no control "
	                              "characters, no blanks around it and no dot in front" },
	{ ".a@example.org:{PLAIN}x", "not a user name" },
	{ "a@.example.org:{PLAIN}x", "not a user name" },
	{ "a@@example.org:{PLAIN}x", "not a user name" },
	{ "@example.org:{PLAIN}x", "not a user name" },
	{ "a@:{PLAIN}x", "not a user name" },
	{ " a@example.org:{PLAIN}x", "not a user name" },
	{ "a :{PLAIN}x", "not a user name" },
	{ "a\x01@example.org:{PLAIN}x", "not a user name" },
	{ "a\xff@example.org:{PLAIN}x", "not a user name" },
	{ "root:{PLAIN}x:0:0", "uid 0 is refused" },
	{ "toor:{PLAIN}x:000:0", "uid 0 is refused" },
	{ "r00t:{PLAIN}x:root:root", "uid 0 is refused" },
};

START_TEST(broken_lines)
{
	for (size_t i = 0; i < sizeof(broken) / sizeof(*broken); i++) {
		char text[300], expected[300];
		snprintf(
		    text, sizeof(text), "# one\n%s\nann@example.org:{PLAIN}pw\n", broken[i].line);
		struct msv_passwd *p = load(text);
		const char *log = msv_test_log(t);
		snprintf(expected, sizeof(expected), "warn: passwd:2: %s", broken[i].report);
		ck_assert_msg(strncmp(log, expected, strlen(expected)) == 0, "%s: %s", text, log);
		ck_assert_ptr_nonnull(strstr(log, "; the line is skipped\n"));
		ck_assert_uint_eq(msv_passwd_count(p), 1);
		ck_assert_int_eq(try(p, "ann@example.org", "pw"), 0);
		msv_passwd_free(p);
	}
}
END_TEST

START_TEST(broken_bytes)
{
	static const char nul[] = "a:{PLAIN}x\nb\0:{PLAIN}x\nc:{PLAIN}\0x\nd:{PLAIN}x\n";
	struct msv_passwd *p = loaded(nul, sizeof(nul) - 1);

	ck_assert_uint_eq(msv_passwd_count(p), 2);
	ck_assert_str_eq(msv_test_log(t),
	    "warn: passwd:2: a NUL byte; the line is skipped, write it again\n"
	    "warn: passwd:3: a NUL byte; the line is skipped, write it again\n"
	    "info: passwd: 2 accounts\n");
	msv_passwd_free(p);

	size_t n = 70000;
	char *text = malloc(n + 20);
	memset(text, 'x', n);
	memcpy(text, "a:", 2);
	strcpy(text + n, "\nb:{PLAIN}x\n");
	p = load(text);
	ck_assert_uint_eq(msv_passwd_count(p), 1);
	ck_assert_ptr_nonnull(strstr(msv_test_log(t), "passwd:1: longer than 65536 bytes"));
	msv_passwd_free(p);
	free(text);
}
END_TEST

START_TEST(byte_order_mark)
{
	struct msv_passwd *p = load("\xef\xbb\xbf"
	                            "ann:{PLAIN}x\n");

	ck_assert_int_eq(try(p, "ann", "x"), 0);
	msv_passwd_free(p);
}
END_TEST

START_TEST(duplicates)
{
	struct msv_passwd *p = load("ann@example.org:{PLAIN}one\n"
	                            "bob@example.org:{PLAIN}bob\n"
	                            "ANN@example.org:{PLAIN}two\n"
	                            "carol@example.org:{PLAIN}carol\n");

	ck_assert_str_eq(msv_test_log(t),
	    "warn: passwd:3: ann@example.org is in line 1 already; this line is skipped\n"
	    "info: passwd: 3 accounts\n");
	ck_assert_int_eq(try(p, "ann@example.org", "one"), 0);
	ck_assert_int_eq(try(p, "ann@example.org", "two"), MSV_ERR_AUTH);
	ck_assert_int_eq(try(p, "carol@example.org", "carol"), 0);
	msv_passwd_free(p);
}
END_TEST

/* An account whose hash is of no use here still gets its mail. */
START_TEST(useless_hashes)
{
	struct msv_passwd *p = load("a@example.org:{NO-SUCH}abc\n"
	                            "b@example.org:hunter2\n"
	                            "c@example.org:{SSHA512}abc\n"
	                            "d@example.org:*\n"
	                            "e@example.org:{PLAIN}fine\n");

	ck_assert_uint_eq(msv_passwd_count(p), 5);
	const char *log = msv_test_log(t);
	ck_assert_ptr_nonnull(
	    strstr(log, "passwd:1: a@example.org cannot log in: this build does not "
	                "know the scheme of the password; make a new hash with "
	                "`mailservctl encrypt`\n"));
	ck_assert_ptr_nonnull(
	    strstr(log, "passwd:2: b@example.org cannot log in: the second field is "
	                "no password hash; make one with `mailservctl encrypt`\n"));
	ck_assert_ptr_nonnull(strstr(log, "passwd:3: c@example.org cannot log in: "));
	ck_assert_ptr_null(strstr(log, "passwd:4:"));
	ck_assert_ptr_null(strstr(log, "hunter2"));
	ck_assert_int_eq(try(p, "b@example.org", "hunter2"), MSV_ERR_AUTH);
	ck_assert_int_eq(try(p, "a@example.org", "abc"), MSV_ERR_AUTH);
	ck_assert(look_up(p, "a@example.org").receives);
	ck_assert(look_up(p, "d@example.org").receives);
	msv_passwd_free(p);
}
END_TEST

START_TEST(many_reports)
{
	char text[8192] = "";
	struct msv_passwd *p;

	for (int i = 0; i < 200; i++)
		strcat(text, "no colon\n");
	strcat(text, "a:{PLAIN}x\n");
	p = load(text);
	const char *log = msv_test_log(t);
	ck_assert_ptr_nonnull(strstr(log, "passwd:50: "));
	ck_assert_ptr_null(strstr(log, "passwd:51: "));
	ck_assert_ptr_nonnull(strstr(log, "warn: passwd: 150 more like this\n"));
	msv_passwd_free(p);
}
END_TEST

START_TEST(quotas)
{
	static const struct {
		const char *extra;
		uint64_t storage, messages;
		bool wrong;
	} quota[] = {
		{ "userdb_quota_rule=*:storage=1G", 1 << 30, 0, false },
		{ "userdb_quota_rule=*:storage=100", 102400, 0, false }, /* kilobytes */
		{ "userdb_quota_rule=*:bytes=100", 100, 0, false },
		{ "userdb_quota_rule=*:storage=5M:messages=1000", 5 << 20, 1000, false },
		{ "userdb_quota_rule=*:messages=7", 0, 7, false },
		{ "userdb_quota_rule=Trash:storage=+100M", 0, 0, false },
		{ "userdb_quota_rule=*:storage=2G userdb_quota_rule=*:ignore", 0, 0, false },
		{ "userdb_quota_storage_size=1G", 1 << 30, 0, false },
		{ "userdb_quota_storage_size=1000", 1000, 0, false },
		{ "userdb_quota_storage_size=2MiB userdb_quota_message_count=9", 2 << 20, 9,
		    false },
		{ "userdb_quota_storage_size=3kB", 3072, 0, false },
		{ "userdb_quota_storage_size=1T", 1ull << 40, 0, false },
		{ "userdb_quota_storage_size=unlimited", 0, 0, false },
		{ "userdb_quota_storage_size=much", 0, 0, true },
		{ "userdb_quota_storage_size=1X", 0, 0, true },
		{ "userdb_quota_storage_size=1MX", 0, 0, true },
		{ "userdb_quota_storage_size=", 0, 0, true },
		{ "userdb_quota_storage_size=-1", 0, 0, true },
		{ "userdb_quota_storage_size=99999999999999999999", 0, 0, true },
		{ "userdb_quota_storage_size=999999999999999999T", 0, 0, true },
		{ "userdb_quota_rule=*:storage=", 0, 0, true },
		{ "userdb_quota_rule=*:volume=1", 0, 0, true },
		{ "userdb_quota_rule=", 0, 0, true },
	};

	for (size_t i = 0; i < sizeof(quota) / sizeof(*quota); i++) {
		char text[300];
		snprintf(text, sizeof(text), "a:{PLAIN}x::::::%s\n", quota[i].extra);
		struct msv_passwd *p = load(text);
		bool said = strstr(msv_test_log(t), "warn: passwd:1: userdb_quota_") != NULL;
		struct answer a = look_up(p, "a");
		ck_assert_msg(a.quota_storage == quota[i].storage &&
		                  a.quota_messages == quota[i].messages && said == quota[i].wrong,
		    "%s: %llu %llu", quota[i].extra, (unsigned long long)a.quota_storage,
		    (unsigned long long)a.quota_messages);
		msv_passwd_free(p);
	}
}
END_TEST

/* -- Names ---------------------------------------------------------------------------- */

START_TEST(names)
{
	static const char *const good[] = { "a", "a@b", "ann.b@example.org", "ann+tag@example.org",
		"a.", "a..b", "\xc3\xa4nn@ex\xc3\xa4mple.org", "a b", "%u", "~", "-", "a@b..c" };
	static const char *const bad[] = { "", ".", "..", ".a", "@", "@b", "a@", "a@.b", "a@..",
		"a@b@c", "a/b", "/", "a@b/c", "../x", "a\n", "a\x7f", "\xc2\x85", "\xff", "a\xc3",
		"\xed\xa0\x80" };
	char name[300];

	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		ck_assert_msg(msv_account_name_valid(good[i]), "%s", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		ck_assert_msg(!msv_account_name_valid(bad[i]), "%s", bad[i]);
	ck_assert(!msv_account_name_valid(NULL));
	memset(name, 'a', sizeof(name));
	name[255] = '\0';
	ck_assert(msv_account_name_valid(name));
	name[255] = 'a';
	name[256] = '\0';
	ck_assert(!msv_account_name_valid(name));
}
END_TEST

/* -- Newer contents ------------------------------------------------------------------- */

START_TEST(load_more_is_taken_at_once)
{
	struct msv_passwd *p = load("a:{PLAIN}x\n");

	ck_assert_int_eq(msv_passwd_load(p, "passwd", "a:{PLAIN}y\nb:{PLAIN}z\n", 22), 0);
	ck_assert_uint_eq(msv_passwd_count(p), 2);
	ck_assert_int_eq(try(p, "a", "y"), 0);
	ck_assert_int_eq(try(p, "a", "x"), MSV_ERR_AUTH);
	msv_passwd_free(p);
}
END_TEST

START_TEST(load_less_waits)
{
	struct msv_passwd *p = load("a:{PLAIN}x\nb:{PLAIN}y\n");

	ck_assert_int_eq(msv_passwd_load(p, "passwd", "a:{PLAIN}x\n", 11), 0);
	ck_assert_uint_eq(msv_passwd_count(p), 2);
	msv_test_advance(t, 900);
	ck_assert_uint_eq(msv_passwd_count(p), 2);
	msv_test_advance(t, 100);
	ck_assert_uint_eq(msv_passwd_count(p), 1);
	msv_passwd_free(p);
}
END_TEST

/* A file that grows piece by piece locks nobody out on its way. */
START_TEST(half_written)
{
	const char *whole = "a:{PLAIN}x::::/a\nb:{PLAIN}y::::/b\nc:{PLAIN}z::::/c\n";
	struct msv_passwd *p = load(whole);

	(void)msv_test_log(t);
	for (size_t n = 0; n <= strlen(whole); n++) {
		int error = msv_passwd_load(p, "passwd", whole, n);
		ck_assert_int_eq(error, n < 2 ? MSV_ERR_FORMAT : 0);
		msv_test_advance(t, 500);
		ck_assert_uint_eq(msv_passwd_count(p), 3);
		ck_assert_int_eq(try(p, "a", "x"), 0);
		ck_assert_int_eq(try(p, "c", "z"), 0);
		ck_assert_str_eq(look_up(p, "b").home, "/b");
	}
	msv_test_advance(t, 5000);
	ck_assert_uint_eq(msv_passwd_count(p), 3);
	msv_passwd_free(p);
}
END_TEST

/* What stays of a broken write, on a full disk say, locks nobody out either. */
START_TEST(half_written_for_good)
{
	const char *half = "a:{PL";
	struct msv_passwd *p = load("a:{PLAIN}x\nb:{PLAIN}y\n");

	(void)msv_test_log(t);
	ck_assert_int_eq(msv_passwd_load(p, "passwd", half, strlen(half)), 0);
	msv_test_advance(t, 60000);
	ck_assert_ptr_nonnull(strstr(msv_test_log(t),
	    "warn: passwd: ends in the middle of a line and lets nobody log "
	    "in: the 2 accounts known before stay;"));
	ck_assert_int_eq(msv_passwd_load(p, "passwd", half, strlen(half)), 0);
	msv_test_advance(t, 60000);
	ck_assert_uint_eq(msv_passwd_count(p), 2);
	ck_assert_int_eq(try(p, "a", "x"), 0);
	ck_assert_int_eq(try(p, "b", "y"), 0);
	/* A whole line is meant: everybody is locked. */
	ck_assert_int_eq(msv_passwd_load(p, "passwd", "a:!\n", 4), 0);
	msv_test_advance(t, 1000);
	ck_assert_uint_eq(msv_passwd_count(p), 1);
	ck_assert_int_eq(try(p, "a", "x"), MSV_ERR_AUTH);
	msv_passwd_free(p);
}
END_TEST

START_TEST(nothing_replaces_nobody)
{
	static const char *const nothing[] = { "", "\n\n", "# accounts\n", "garbage\n",
		"#no accounts\n" };
	struct msv_passwd *p = load("a:{PLAIN}x\n");

	for (size_t i = 0; i < sizeof(nothing) / sizeof(*nothing); i++) {
		(void)msv_test_log(t);
		ck_assert_int_eq(
		    msv_passwd_load(p, "passwd", nothing[i], strlen(nothing[i])), MSV_ERR_FORMAT);
		msv_test_advance(t, 60000);
		ck_assert_uint_eq(msv_passwd_count(p), 1);
		ck_assert_ptr_nonnull(
		    strstr(msv_test_log(t), "warn: passwd: holds no account: the 1 known before "
		                            "stay; if that is meant, write "
		                            "a line \"# no accounts\"\n"));
		ck_assert_int_eq(try(p, "a", "x"), 0);
	}
	const char *meant = "# no accounts\n";
	ck_assert_int_eq(msv_passwd_load(p, "passwd", meant, strlen(meant)), 0);
	ck_assert_uint_eq(msv_passwd_count(p), 1);
	msv_test_advance(t, 1000);
	ck_assert_uint_eq(msv_passwd_count(p), 0);
	msv_passwd_free(p);
}
END_TEST

START_TEST(settle_option)
{
	struct msv_passwd_options options = { .size = sizeof(options), .settle_ms = 5 };
	struct msv_passwd *p;

	ck_assert_int_eq(msv_passwd_new(env, &options, &p), 0);
	ck_assert_int_eq(msv_passwd_load(p, "f", "a:{PLAIN}x\nb:{PLAIN}x\n", 22), 0);
	ck_assert_int_eq(msv_passwd_load(p, "f", "a:{PLAIN}x\n", 11), 0);
	msv_test_advance(t, 5);
	ck_assert_uint_eq(msv_passwd_count(p), 1);
	/* The old contents back again before the new were taken. */
	ck_assert_int_eq(msv_passwd_load(p, "f", "b:{PLAIN}x\n", 11), 0);
	ck_assert_int_eq(msv_passwd_load(p, "f", "a:{PLAIN}x\n", 11), 0);
	msv_test_advance(t, 100);
	ck_assert_int_eq(look_up(p, "a").error, 0);
	ck_assert_int_eq(msv_passwd_reload(p), MSV_ERR_INVAL);
	msv_passwd_free(p);
	options.secret = "too short";
	options.secret_len = 9;
	ck_assert_int_eq(msv_passwd_new(env, &options, &p), MSV_ERR_INVAL);
}
END_TEST

/* -- A file ------------------------------------------------------------------------------- */

static void write_file(const char *text)
{
	FILE *f = fopen(path, "w");

	ck_assert_ptr_nonnull(f);
	ck_assert_int_ge(fputs(text, f), 0);
	ck_assert_int_eq(fclose(f), 0);
}

/* As careful programs do it. */
static void replace_file(const char *text)
{
	char temporary[160], name[128];

	strcpy(name, path);
	snprintf(temporary, sizeof(temporary), "%s.tmp", path);
	strcpy(path, temporary);
	write_file(text);
	strcpy(path, name);
	ck_assert_int_eq(rename(temporary, path), 0);
}

static struct msv_passwd *open_file(void)
{
	struct msv_passwd_options options = { .size = sizeof(options), .path = path };
	struct msv_passwd *p;

	ck_assert_int_eq(msv_passwd_new(env, &options, &p), 0);
	return p;
}

START_TEST(file_is_watched)
{
	write_file("a:{PLAIN}x\nwhat?\n");
	struct msv_passwd *p = open_file();
	char expected[300];

	snprintf(expected, sizeof(expected), "warn: %s:2: no colon; ", path);
	ck_assert_ptr_nonnull(strstr(msv_test_log(t), expected));
	ck_assert_uint_eq(msv_passwd_count(p), 1);

	write_file("a:{PLAIN}y\nb:{PLAIN}z\n");
	msv_test_advance(t, 1000);
	ck_assert_uint_eq(msv_passwd_count(p), 2);
	ck_assert_int_eq(try(p, "a", "y"), 0);

	replace_file("a:{PLAIN}z\nb:{PLAIN}z\nc:{PLAIN}z\n");
	msv_test_advance(t, 1000);
	ck_assert_uint_eq(msv_passwd_count(p), 3);

	/* The same size, within the same tick of the file system. */
	replace_file("a:{PLAIN}1\nb:{PLAIN}z\nc:{PLAIN}z\n");
	msv_test_advance(t, 1000);
	ck_assert_int_eq(try(p, "a", "1"), 0);

	/* Fewer, or cut off: first it must stay so. */
	replace_file("a:{PLAIN}2\n");
	msv_test_advance(t, 1000);
	ck_assert_uint_eq(msv_passwd_count(p), 3);
	msv_test_advance(t, 1000);
	ck_assert_uint_eq(msv_passwd_count(p), 1);
	ck_assert_int_eq(try(p, "a", "2"), 0);
	msv_passwd_free(p);
}
END_TEST

START_TEST(file_written_slowly)
{
	write_file("a:{PLAIN}x\nb:{PLAIN}y\n");
	struct msv_passwd *p = open_file();
	int fd = open(path, O_WRONLY | O_TRUNC);
	const char *text = "b:{PLAIN}2\na:{PLAIN}1\n";

	for (size_t i = 0; i < strlen(text); i++) {
		msv_test_advance(t, 1000);
		ck_assert_int_eq(try(p, "a", "x"), 0);
		ck_assert_int_eq(try(p, "b", "y"), 0);
		ck_assert_int_eq(write(fd, text + i, 1), 1);
	}
	close(fd);
	msv_test_advance(t, 1000);
	ck_assert_int_eq(try(p, "a", "1"), 0);
	ck_assert_int_eq(try(p, "b", "2"), 0);
	msv_passwd_free(p);
}
END_TEST

START_TEST(file_goes_and_comes)
{
	write_file("a:{PLAIN}x\n");
	struct msv_passwd *p = open_file();
	char expected[300];

	(void)msv_test_log(t);
	ck_assert_int_eq(unlink(path), 0);
	msv_test_advance(t, 60000);
	snprintf(expected, sizeof(expected),
	    "error: %s: cannot be read: there is no such file; the accounts known before stay\n",
	    path);
	ck_assert_str_eq(msv_test_log(t), expected); /* once */
	ck_assert_int_eq(try(p, "a", "x"), 0);
	ck_assert_int_eq(msv_passwd_reload(p), MSV_ERR_NOTFOUND);
	ck_assert_str_eq(msv_test_log(t), "");
	write_file("a:{PLAIN}y\n");
	msv_test_advance(t, 1000);
	ck_assert_int_eq(try(p, "a", "y"), 0);
	msv_passwd_free(p);
}
END_TEST

START_TEST(reload_takes_now)
{
	write_file("a:{PLAIN}x\nb:{PLAIN}y\n");
	struct msv_passwd *p = open_file();

	write_file("a:{PLAIN}z");
	ck_assert_int_eq(msv_passwd_reload(p), 0);
	ck_assert_uint_eq(msv_passwd_count(p), 1);
	ck_assert_int_eq(try(p, "a", "z"), 0);
	/* Also what the watch has seen and keeps waiting. */
	write_file("a:{PLAIN}z\nb:{PLAIN}y\n");
	ck_assert_int_eq(msv_passwd_reload(p), 0);
	write_file("b:{PLAIN}y\n");
	msv_test_advance(t, 1000);
	ck_assert_uint_eq(msv_passwd_count(p), 2);
	ck_assert_int_eq(msv_passwd_reload(p), 0);
	ck_assert_uint_eq(msv_passwd_count(p), 1);
	write_file("");
	ck_assert_int_eq(msv_passwd_reload(p), MSV_ERR_FORMAT);
	ck_assert_uint_eq(msv_passwd_count(p), 1);
	msv_passwd_free(p);
}
END_TEST

/* A file that lies quiet costs a stat. */
START_TEST(quiet_file_is_not_read)
{
	struct timespec old[2] = { { .tv_sec = 1600000000 }, { .tv_sec = 1600000000 } };

	write_file("a:{PLAIN}x\n");
	ck_assert_int_eq(utimensat(AT_FDCWD, path, old, 0), 0);
	struct msv_passwd *p = open_file();
	uint64_t before = msv_test_allocs(t);
	msv_test_advance(t, 60000);
	ck_assert_uint_eq(msv_test_allocs(t), before);
	replace_file("a:{PLAIN}y\n");
	msv_test_advance(t, 1000);
	ck_assert_int_eq(try(p, "a", "y"), 0);
	msv_passwd_free(p);
}
END_TEST

static void count_report(void *user, enum msv_log_level level, const char *line)
{
	ck_assert_int_le(level, MSV_LOG_WARN);
	ck_assert_int_eq(strncmp(line, directory, strlen(directory)), 0);
	++*(int *)user;
}

START_TEST(cannot_be_opened)
{
	int reports = 0;
	struct msv_passwd_options options = {
		.size = sizeof(options), .path = path, .report = count_report, .user = &reports
	};
	struct msv_passwd *p;

	ck_assert_int_eq(msv_passwd_new(env, &options, &p), MSV_ERR_NOTFOUND);
	ck_assert_ptr_null(p);
	ck_assert_int_eq(reports, 1);
	options.path = directory;
	ck_assert_int_eq(msv_passwd_new(env, &options, &p), MSV_ERR_IO);
	ck_assert_int_eq(reports, 2);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	options.path = path;
	ck_assert_int_eq(msv_passwd_new(env, &options, &p), MSV_ERR_IO);
	ck_assert_int_eq(reports, 3);
	unlink(path);
	write_file("a:{PLAIN}x\nb\n");
	ck_assert_int_eq(msv_passwd_new(env, &options, &p), 0);
	ck_assert_int_eq(reports, 4);
	msv_passwd_free(p);
	msv_passwd_free(NULL);
}
END_TEST

/* -- No memory --------------------------------------------------------------------------------- */

START_TEST(no_memory)
{
	struct msv_passwd_options options = { .size = sizeof(options), .path = path };
	int error = MSV_ERR_NOMEM;

	write_file("a:{PLAIN}x::::::k=v scram-sha-256=1 userdb_quota_rule=*:storage=1M\nbroken\n");
	for (uint64_t i = 0; error; i++) {
		struct msv_passwd *p = NULL;
		ck_assert_uint_lt(i, 100);
		msv_test_fail_alloc(t, i, false);
		error = msv_passwd_new(env, &options, &p);
		msv_test_fail_alloc(t, UINT64_MAX, false);
		ck_assert(error == 0 || error == MSV_ERR_NOMEM);
		msv_passwd_free(p);
	}
	/* Without memory to read it again the accounts stay, and later it is read. */
	struct msv_passwd *p = open_file();
	write_file("a:{PLAIN}y\n");
	msv_test_fail_alloc(t, 0, true);
	msv_test_advance(t, 1000);
	msv_test_fail_alloc(t, UINT64_MAX, false);
	ck_assert_int_eq(try(p, "a", "x"), 0);
	msv_test_advance(t, 1000);
	ck_assert_int_eq(try(p, "a", "y"), 0);
	for (uint64_t i = 0; i < 30; i++) {
		char text[64];
		snprintf(text, sizeof(text), "a:{PLAIN}%d\n", (int)i);
		write_file(text);
		msv_test_fail_alloc(t, i, false);
		msv_test_advance(t, 1000);
		msv_test_fail_alloc(t, UINT64_MAX, false);
		msv_test_advance(t, 2000);
		snprintf(text, sizeof(text), "%d", (int)i);
		ck_assert_int_eq(try(p, "a", text), 0);
	}
	msv_passwd_free(p);
}
END_TEST

int main(void)
{
	return auth_main("passwd", setup, teardown, typical_lines, uid_and_gid, broken_lines,
	    broken_bytes, byte_order_mark, duplicates, useless_hashes, many_reports, quotas, names,
	    load_more_is_taken_at_once, load_less_waits, half_written, half_written_for_good,
	    nothing_replaces_nobody, settle_option, file_is_watched, file_written_slowly,
	    file_goes_and_comes, reload_takes_now, quiet_file_is_not_read, cannot_be_opened,
	    no_memory);
}
