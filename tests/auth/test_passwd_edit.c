/* Editing a passwd-file: what stays, what changes, and what a crash leaves. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth_test.h"

static struct msv_test_env *t;
static struct msv_env *env;
static char directory[64], path[128], other[128];

static void setup(void)
{
	ck_assert_int_eq(msv_test_env_new(0, &t), 0);
	env = msv_test_env(t);
	strcpy(directory, "/tmp/msv-edit-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/passwd", directory);
	snprintf(other, sizeof(other), "%s/other", directory);
}

static void teardown(void)
{
	(void)unlink(path);
	(void)unlink(other);
	/* Neither a lock nor a half-written file is left. */
	ck_assert_int_eq(rmdir(directory), 0);
	ck_assert_uint_eq(msv_test_env_free(t), 0);
}

static void write_file(const char *text)
{
	FILE *f = fopen(path, "w");

	ck_assert_ptr_nonnull(f);
	ck_assert_int_ge(fputs(text, f), 0);
	ck_assert_int_eq(fclose(f), 0);
}

static void file_is(const char *expected)
{
	char text[4096] = "";
	FILE *f = fopen(path, "r");

	ck_assert_ptr_nonnull(f);
	text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
	fclose(f);
	ck_assert_str_eq(text, expected);
}

static int add(const char *user, const char *hash)
{
	return msv_passwd_add(env, path, user, hash, NULL, NULL);
}

static int change(const char *user, const char *hash, const char *scram)
{
	return msv_passwd_change(env, path, user, hash, scram);
}

static int drop(const char *user)
{
	return msv_passwd_remove(env, path, user);
}

#define KEYS \
	"4096,W22ZaJ0SNY7soEsUEjb6gQ==,WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=," \
	"wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="

START_TEST(adds)
{
	struct stat st;

	/* To a file that is not there yet. */
	ck_assert_int_eq(add("ann@example.org", "{PLAIN}x"), 0);
	file_is("ann@example.org:{PLAIN}x::::::\n");
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	ck_assert_int_eq(add("Ann@Example.org", "{PLAIN}x"), MSV_ERR_EXISTS);
	ck_assert_int_eq(msv_passwd_add(env, path, "bob", "{PLAIN}y", KEYS, "/home/bob"), 0);
	file_is("ann@example.org:{PLAIN}x::::::\n"
	        "bob:{PLAIN}y::::/home/bob::scram-sha-256=" KEYS "\n");
	/* Behind a line without an end. */
	write_file("ann:{PLAIN}x");
	ck_assert_int_eq(add("bob", "{PLAIN}y"), 0);
	file_is("ann:{PLAIN}x\nbob:{PLAIN}y::::::\n");
	/* The statement that there is nobody goes. */
	write_file("# mine\n# no accounts\n");
	ck_assert_int_eq(add("bob", ""), 0);
	file_is("# mine\nbob:::::::\n");
	/* A broken line of that name counts too. */
	write_file("bob:x:0\n");
	ck_assert_int_eq(add("bob", "{PLAIN}y"), MSV_ERR_EXISTS);
}
END_TEST

START_TEST(changes)
{
	const char *before = "# head\r\n"
	                     "\r\n"
	                     "broken line\n"
	                     "Ann@example.org:old:vmail:2000:2000:/h::a=b  c=d:e\r\n"
	                     "  # tail\n"
	                     "bob:old\n"
	                     "carol:old:::::::x=y scram-sha-256=old z\n"
	                     "dave:old::::::scram-sha-256=old";

	write_file(before);
	ck_assert_int_eq(change("ann@example.org", "NEW", NULL), 0);
	ck_assert_int_eq(change("bob", "NEW", KEYS), 0);
	ck_assert_int_eq(change("carol", "NEW", NULL), 0);
	ck_assert_int_eq(change("dave", "NEW", KEYS), 0);
	file_is("# head\r\n"
	        "\r\n"
	        "broken line\n"
	        "Ann@example.org:NEW:vmail:2000:2000:/h::a=b  c=d:e\r\n"
	        "  # tail\n"
	        "bob:NEW::::::scram-sha-256=" KEYS "\n"
	        "carol:NEW:::::::x=y z\n"
	        "dave:NEW::::::scram-sha-256=" KEYS "\n");
	ck_assert_int_eq(change("erin", "NEW", NULL), MSV_ERR_NOTFOUND);
	/* SCRAM keys of the old password go; both lines of a name are meant. */
	write_file(
	    "ann:old::::::x=y scram-sha-256=old  z\nann:second\nbob:old::::::scram-sha-256\n");
	ck_assert_int_eq(change("ann", "NEW", NULL), 0);
	ck_assert_int_eq(change("bob", "NEW", NULL), 0);
	file_is("ann:NEW::::::x=y z\nann:NEW\nbob:NEW::::::\n");
	write_file("\xef\xbb\xbf"
	           "ann:old\n");
	ck_assert_int_eq(change("ann", "NEW", NULL), 0);
	file_is("\xef\xbb\xbf"
	        "ann:NEW\n");
}
END_TEST

START_TEST(removes)
{
	write_file("# head\nann:1\nbob:2\nANN:3\ncarol:4");
	ck_assert_int_eq(drop("ann"), 0);
	file_is("# head\nbob:2\ncarol:4");
	ck_assert_int_eq(drop("ann"), MSV_ERR_NOTFOUND);
	ck_assert_int_eq(drop("carol"), 0);
	ck_assert_int_eq(drop("bob"), 0);
	file_is("# head\n# no accounts\n");
	write_file("root:x:0:0\nann:1\nbroken\n");
	ck_assert_int_eq(drop("ann"), 0);
	file_is("root:x:0:0\nbroken\n# no accounts\n");
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(drop("bob"), MSV_ERR_NOTFOUND);
	ck_assert_int_eq(change("bob", "x", NULL), MSV_ERR_NOTFOUND);
}
END_TEST

/* A server that reads the file takes each edit. */
START_TEST(edits_are_taken)
{
	struct msv_passwd_options options = { .size = sizeof(options), .path = path };
	struct msv_passwd *p;

	ck_assert_int_eq(add("ann", "{PLAIN}x"), 0);
	ck_assert_int_eq(msv_passwd_new(env, &options, &p), 0);
	ck_assert_int_eq(change("ann", "{PLAIN}y", NULL), 0);
	msv_test_advance(t, 1000);
	ck_assert_int_eq(login(t, msv_passwd_auth(p), "ann", "y").error, 0);
	ck_assert_int_eq(drop("ann"), 0);
	msv_test_advance(t, 2000);
	ck_assert_uint_eq(msv_passwd_count(p), 0);
	ck_assert_int_eq(add("bob", "{PLAIN}z"), 0);
	msv_test_advance(t, 1000);
	ck_assert_int_eq(login(t, msv_passwd_auth(p), "bob", "z").error, 0);
	msv_passwd_free(p);
}
END_TEST

START_TEST(refused)
{
	static const char *const names[] = { "", "a:b", "a\nb", "#a", " a", "a ", "a/b", "../a",
		"a@b@c", "\xff", ".a" };
	static const char *const fields[] = { "a:b", "a\nb", "a\rb", "a\x01", "a\x7f" };

	write_file("ann:x\n");
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		ck_assert_msg(add(names[i], "x") == MSV_ERR_FORMAT, "%s", names[i]);
		ck_assert_int_eq(drop(names[i]), MSV_ERR_FORMAT);
		ck_assert_int_eq(change(names[i], "x", NULL), MSV_ERR_FORMAT);
	}
	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
		ck_assert_int_eq(add("bob", fields[i]), MSV_ERR_FORMAT);
		ck_assert_int_eq(
		    msv_passwd_add(env, path, "bob", "x", NULL, fields[i]), MSV_ERR_FORMAT);
		ck_assert_int_eq(
		    msv_passwd_add(env, path, "bob", "x", fields[i], NULL), MSV_ERR_FORMAT);
		ck_assert_int_eq(change("ann", fields[i], NULL), MSV_ERR_FORMAT);
	}
	ck_assert_int_eq(add("bob", NULL), MSV_ERR_FORMAT);
	ck_assert_int_eq(change("ann", NULL, KEYS), MSV_ERR_FORMAT);
	file_is("ann:x\n");
	ck_assert_int_eq(msv_passwd_add(env, "", "bob", "x", NULL, NULL), MSV_ERR_NOTFOUND);
	ck_assert_int_eq(msv_passwd_add(env, directory, "bob", "x", NULL, NULL), MSV_ERR_IO);
	ck_assert_int_eq(msv_passwd_add(env, "/no/such/directory/passwd", "bob", "x", NULL, NULL),
	    MSV_ERR_NOTFOUND);
	char lengthy[5000];
	memset(lengthy, 'x', sizeof(lengthy));
	lengthy[sizeof(lengthy) - 1] = '\0';
	ck_assert_int_lt(msv_passwd_add(env, lengthy, "bob", "x", NULL, NULL), 0);
	lengthy[252] = '\0';
	ck_assert_int_lt(msv_passwd_add(env, lengthy, "bob", "x", NULL, NULL), 0);
}
END_TEST

START_TEST(mode_and_owner)
{
	struct stat st;

	write_file("ann:x\n");
	ck_assert_int_eq(chmod(path, 0640), 0);
	bool root = geteuid() == 0;
	if (root)
		ck_assert_int_eq(chown(path, 12345, 23456), 0);
	ck_assert_int_eq(change("ann", "y", NULL), 0);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0640);
	if (root) {
		ck_assert_uint_eq(st.st_uid, 12345);
		ck_assert_uint_eq(st.st_gid, 23456);
	}
	file_is("ann:y\n");
}
END_TEST

START_TEST(symbolic_link)
{
	struct stat st;

	write_file("ann:x\n");
	ck_assert_int_eq(rename(path, other), 0);
	ck_assert_int_eq(symlink(other, path), 0);
	ck_assert_int_eq(change("ann", "y", NULL), 0);
	file_is("ann:y\n");
	ck_assert_int_eq(lstat(path, &st), 0);
	ck_assert(S_ISLNK(st.st_mode));
}
END_TEST

START_TEST(relative_path)
{
	char back[4096];

	ck_assert_ptr_nonnull(getcwd(back, sizeof(back)));
	ck_assert_int_eq(chdir(directory), 0);
	ck_assert_int_eq(msv_passwd_add(env, "passwd", "ann", "x", NULL, NULL), 0);
	ck_assert_int_eq(msv_passwd_add(env, "./passwd", "bob", "x", NULL, NULL), 0);
	ck_assert_int_eq(chdir(back), 0);
	file_is("ann:x::::::\nbob:x::::::\n");
}
END_TEST

/* Two at once: the second is told so; a lock left by a crash holds nobody. */
START_TEST(locked)
{
	char lock[160], left[160];

	write_file("ann:x\n");
	snprintf(lock, sizeof(lock), "%s.lock", path);
	snprintf(left, sizeof(left), "%s.new", path);
	int fd = open(lock, O_RDWR | O_CREAT, 0600);
	ck_assert_int_eq(flock(fd, LOCK_EX), 0);
	ck_assert_int_eq(change("ann", "y", NULL), MSV_ERR_BUSY);
	ck_assert_int_eq(access(lock, F_OK), 0); /* the holder's, not ours to remove */
	file_is("ann:x\n");
	close(fd);
	FILE *f = fopen(left, "w");
	fputs("half a fi", f);
	fclose(f);
	ck_assert_int_eq(change("ann", "y", NULL), 0);
	file_is("ann:y\n");
	ck_assert_int_ne(access(lock, F_OK), 0);
	ck_assert_int_ne(access(left, F_OK), 0);
	/* What somebody put there to lead us elsewhere. */
	ck_assert_int_eq(symlink(other, left), 0);
	ck_assert_int_eq(change("ann", "z", NULL), 0);
	ck_assert_int_ne(access(other, F_OK), 0);
	ck_assert_int_eq(symlink(other, lock), 0);
	ck_assert_int_lt(change("ann", "z", NULL), 0);
	ck_assert_int_ne(access(other, F_OK), 0);
	unlink(lock);
	file_is("ann:z\n");
}
END_TEST

static char listed[1024];
static void list_row(void *user, const struct msv_account *account, const char *scheme)
{
	size_t n = strlen(listed);

	(void)user;
	snprintf(listed + n, sizeof(listed) - n, "%s %s %s %zu\n", account->name, scheme,
	    account->home, account->nextra);
}

START_TEST(lists)
{
	write_file(
	    "# c\nBob:{PLAIN}x::::/b::a b\nann@example.org:{SSHA512}broken\nann@example.org:x\n"
	    "carol:*\nbroken\n");
	listed[0] = '\0';
	ck_assert_int_eq(msv_passwd_list(env, path, list_row, NULL), 0);
	ck_assert_str_eq(listed, "bob PLAIN /b 2\nann@example.org   0\ncarol   0\n");
	const char *log = msv_test_log(t);
	ck_assert_ptr_nonnull(strstr(log, ":6: no colon"));
	ck_assert_ptr_nonnull(strstr(log, ":4: ann@example.org is in line 3 already"));
	ck_assert_int_eq(msv_passwd_list(env, other, list_row, NULL), MSV_ERR_NOTFOUND);
}
END_TEST

/* Without memory the file is as before. */
START_TEST(no_memory)
{
	int error = MSV_ERR_NOMEM;

	for (uint64_t i = 0; error; i++) {
		write_file("ann:x\n");
		ck_assert_uint_lt(i, 20);
		msv_test_fail_alloc(t, i, false);
		error = change("ann", "y", NULL);
		msv_test_fail_alloc(t, UINT64_MAX, false);
		ck_assert(error == 0 || error == MSV_ERR_NOMEM);
		file_is(error ? "ann:x\n" : "ann:y\n");
	}
	error = MSV_ERR_NOMEM;
	for (uint64_t i = 0; error; i++) {
		ck_assert_uint_lt(i, 40);
		listed[0] = '\0';
		msv_test_fail_alloc(t, i, false);
		error = msv_passwd_list(env, path, list_row, NULL);
		msv_test_fail_alloc(t, UINT64_MAX, false);
		ck_assert(error == 0 || (error == MSV_ERR_NOMEM && !*listed));
	}
}
END_TEST

int main(void)
{
	return auth_main("passwd_edit", setup, teardown, adds, changes, removes, edits_are_taken,
	    refused, mode_and_owner, symbolic_link, relative_path, locked, lists, no_memory);
}
