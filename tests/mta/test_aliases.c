/* The aliases file, and what addresses come to. */
#include <mailserv/testing.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check_main.h"
#include "config.h"
#include "mta/aliases.h"

static struct msv_test_env *test;
static struct msv_env *env;
static struct msv_aliases_options options;
static struct msv_aliases *aliases;
static char reports[65536], steps[65536];
/* Files for :include:, name and contents. */
static const char *const *files;
static const char *busy; /* this one is not at hand */

static void setup(void)
{
	static const char *const domains[] = { "Example.org", "example.com", "old.example" };

	ck_assert_int_eq(msv_test_env_new(7, &test), 0);
	env = msv_test_env(test);
	options = (struct msv_aliases_options){
		.domains = domains, .ndomains = 3, .postmaster = "boss@example.com"
	};
	reports[0] = steps[0] = '\0';
	files = NULL;
	busy = NULL;
}

static void teardown(void)
{
	msv_aliases_unref(aliases);
	aliases = NULL;
	ck_assert_uint_eq(msv_test_env_free(test), 0);
}

static void append_line(char *to, size_t size, const char *line)
{
	size_t n = strlen(to);

	snprintf(to + n, size - n, "%s\n", line);
}

static void on_report(void *user, enum msv_log_level level, const char *line)
{
	(void)user;
	ck_assert_int_le(level, MSV_LOG_WARN);
	append_line(reports, sizeof reports, line);
}

static void on_step(void *user, const char *text)
{
	(void)user;
	append_line(steps, sizeof steps, text);
}

static int read_file(void *user, const char *path, struct msv_buf *out)
{
	(void)user;
	if (busy && strcmp(path, busy) == 0)
		return MSV_ERR_BUSY;
	for (size_t i = 0; files && files[i]; i += 2)
		if (strcmp(files[i], path) == 0)
			return msv_buf_puts(out, files[i + 1]);
	return MSV_ERR_NOTFOUND;
}

static int try_load(const char *text)
{
	options.report = on_report;
	options.read_file = files ? read_file : NULL;
	msv_aliases_unref(aliases);
	aliases = NULL;
	return msv_aliases_new(env, &options, text, strlen(text), &aliases);
}

static void load(const char *text)
{
	reports[0] = '\0';
	ck_assert_int_eq(try_load(text), 0);
}

/* Loads a text without mistakes. */
static void load_good(const char *text)
{
	load(text);
	ck_assert_str_eq(reports, "");
}

/* -- Expanding ------------------------------------------------------------------- */

static bool is_account(const char *const *accounts, const char *address)
{
	for (; *accounts; accounts++)
		if (strcmp(*accounts, address) == 0)
			return true;
	return false;
}

/* "local anna@example.org+tag" and so on, one line a leaf. */
static void describe(const struct msv_leaf *leaf, char *out, size_t size)
{
	char line[1200] = "";

	switch (leaf->kind) {
	case MSV_LEAF_LOCAL:
		snprintf(line, sizeof line, "local %s%s%s", leaf->address, leaf->tag ? " tag " : "",
		    leaf->tag ? leaf->tag : "");
		break;
	case MSV_LEAF_REMOTE:
		snprintf(line, sizeof line, "remote %s", leaf->address);
		break;
	case MSV_LEAF_PROGRAM:
		snprintf(line, sizeof line, "program %s %zu", leaf->name, leaf->index);
		break;
	case MSV_LEAF_DISCARD:
		snprintf(line, sizeof line, "discard");
		break;
	case MSV_LEAF_ERROR:
		snprintf(line, sizeof line, "%d %s %s", leaf->code, leaf->enhanced, leaf->text);
		break;
	case MSV_LEAF_GONE:
		return;
	}
	size_t n = strlen(line);
	snprintf(line + n, sizeof line - n, "%s%s", leaf->sender ? " from " : "",
	    leaf->sender ? leaf->sender : "");
	append_line(out, size, line);
}

static int expand_into(const char *address, const char *const *accounts, struct msv_expansion *x)
{
	struct msv_smtp_mailbox box;
	size_t calls = 0;

	memset(&box, 0, sizeof box);
	if (strchr(address, '@'))
		ck_assert_int_eq(msv_smtp_mailbox_parse(address, strlen(address), &box), 0);
	else
		snprintf(box.local, sizeof box.local, "%s", address);
	struct msv_smtp_address to = msv_smtp_address_of(&box);
	int error = msv_expand(aliases, &to, on_step, NULL, x);
	if (error)
		return error;
	ck_assert_uint_gt(x->nleaves, 0);
	for (size_t i = 0; i < x->nleaves && !error; i++) {
		calls = 0;
		while (!error && x->leaves[i].kind == MSV_LEAF_LOCAL &&
		       !is_account(accounts, x->leaves[i].address)) {
			error = msv_expansion_no_account(x, i);
			ck_assert_uint_le(++calls, 6 + 3 * options.ndomains);
		}
	}
	return error;
}

static const char *const some_accounts[] = { "anna@example.org", "bert@example.org",
	"carl@example.com", "plus+sign@example.org", "boss@example.com", "old@old.example", NULL };

/* Expands with some_accounts. */
static const char *expand(const char *address)
{
	static char out[65536];
	struct msv_expansion x;

	steps[0] = out[0] = '\0';
	ck_assert_int_eq(expand_into(address, some_accounts, &x), 0);
	for (size_t i = 0; i < x.nleaves; i++)
		describe(&x.leaves[i], out, sizeof out);
	msv_expansion_fini(&x);
	return out;
}

#define expect(address, leaves) ck_assert_str_eq(expand(address), leaves)

static const char nobody[] = "550 5.1.1 No such mailbox here\n";

/* -- The file --------------------------------------------------------------------- */

START_TEST(classic)
{
	load_good("\xef\xbb\xbf# comment\r\n"
	          "root: anna,   someone@Else.ORG\r\n"
	          "\n"
	          "   # a comment does not end the line before it\n"
	          "\t, \"john doe\"@else.org # and this neither\n"
	          "News:bert,\n"
	          " # nothing\n"
	          "  carl@example.com\n"
	          "\"two words\": anna\n"
	          "b\xc3\xbc"
	          "cher: anna\n"
	          "people: Anna <anna@example.org>, \"Doe, John\" <john@else.org>,,\n"
	          "last: anna");
	ck_assert_uint_eq(msv_aliases_count(aliases), 6);
	expect("root@example.org",
	    "local anna@example.org\nremote someone@else.org\nremote \"john doe\"@else.org\n");
	expect("NEWS@example.org", "local bert@example.org\nlocal carl@example.com\n");
	expect("\"two words\"@example.org", "local anna@example.org\n");
	expect("people@example.org", "local anna@example.org\nremote john@else.org\n");
	expect("last@example.org", "local anna@example.org\n");
	expect("b\xc3\xbc"
	       "cher@example.org",
	    "local anna@example.org\n");
#ifdef HAVE_UTF8PROC
	expect("B\xc3\x9c"
	       "CHER@example.org",
	    "local anna@example.org\n");
#endif
	expect("nobody@example.org", nobody);
}
END_TEST

/* A broken line or target is told and takes nothing else away. */
START_TEST(mistakes)
{
	load("good: anna\n"
	     "no colon here\n"
	     "bad name: anna\n"
	     "half: anna, two words, bert\n"
	     "file: /var/mail/x\n"
	     "pipe: \"|/bin/cat\"\n"
	     "quote: \"anna\n"
	     "  , bert\n"
	     "control: an\001na\n"
	     "latin: b\xfc"
	     "cher\n"
	     "GOOD: bert\n"
	     "x@elsewhere.example: anna\n"
	     "one: @example.com\n"
	     "code: error:200 ok\n"
	     "words: error:550\n"
	     "list: :include:relative\n"
	     "missing: :include:/missing, anna\n"
	     "fine: anna\n");
	ck_assert_str_eq(reports,
	    "aliases:2: there is no colon; write \"name: target, target\"\n"
	    "aliases:3: this is no name; write name:, user@example.org: or @example.org:\n"
	    "aliases:4: behind half: this is no name and no address; several are separated by "
	    "commas\n"
	    "aliases:5: behind file: mail is not written into files; name an account, or a "
	    "program: \"|/path/program word\"\n"
	    "aliases:6: behind pipe: programs are not allowed; set programs = true, "
	    "or name an address\n"
	    "aliases:7: behind quote: a quote is not closed; write \"...\" on one line\n"
	    "aliases:9: behind control: there are octets that are no UTF-8 text\n"
	    "aliases:10: behind latin: there are octets that are no UTF-8 text\n"
	    "aliases:12: x@elsewhere.example: elsewhere.example is no domain of this server, so "
	    "its mail does not come here; add it to the domains\n"
	    "aliases:13: behind one: only a whole domain can lead to a whole domain; write "
	    "@old.example: @new.example, or name an address\n"
	    "aliases:14: behind code: error: wants a code from 400 to 599 and words: \"error:550 "
	    "5.1.1 Gone\"\n"
	    "aliases:16: behind list: a list is named by its whole path: :include:/path/list\n"
	    "aliases:17: behind missing: /missing: lists cannot be included here; until it can be "
	    "read mail to missing waits\n"
	    "aliases:11: GOOD stands in line 1 already, which holds; put all targets there\n");
	expect("good@example.org", "local anna@example.org\n");
	expect("half@example.org", "local anna@example.org\nlocal bert@example.org\n");
	expect("quote@example.org", "local bert@example.org\n");
	expect("fine@example.org", "local anna@example.org\n");
	expect("words@example.org", "550 5.1.1 No mail is taken here\n");
	expect("pipe@example.org", "451 4.3.5 This address is not set up properly; its "
	                           "administrator can read why\n");
	expect("missing@example.org",
	    "local anna@example.org\n451 4.3.5 This address is not set up "
	    "properly; its administrator can read why\n");
}
END_TEST

/* What is too long, and octets where words should be. */
START_TEST(odd_sizes)
{
	char text[2000] = "@";

	memset(text + 1, 'd', 300);
	strcpy(text + 301, ": anna\n");
	load(text);
	ck_assert_str_eq(reports,
	    "aliases:1: this is no name; write name:, user@example.org: or @example.org:\n");
	strcpy(text, "a: ");
	memset(text + 3, 'x', 1000);
	strcpy(text + 1003, "\nb: error:550 ");
	memset(text + strlen(text), 'y', 401);
	load(text);
	ck_assert_str_eq(reports,
	    "aliases:1: behind a: this is no name and no address; several are "
	    "separated by commas\n"
	    "aliases:2: behind b: the words of a refusal are longer than 400 "
	    "octets\n");
	load("@old.example: @two words\n:include:/x: anna\nc: error:550 a\tb\n  c \n");
	ck_assert_str_eq(reports, "aliases:1: behind @old.example: this is no domain; write "
	                          "@example.org\n"
	                          "aliases:2: this is no name; write name:, user@example.org: or "
	                          "@example.org:\n");
	expect("c@example.org", "550 5.1.1 a b   c\n");
	load("\"a\\\"b\\\\c\"@old.example: anna\n@old.example: @else.org\n");
	expect("\"a\\\"b\\\\c\"@old.example", "local anna@example.org\n");
	expect("\"\\\"\"@old.example", "remote \"\\\"\"@else.org\n");
}
END_TEST

/* Nobody need be told the steps. */
START_TEST(silent)
{
	struct msv_smtp_address to = { "root@example.org", "root", "example.org" };
	struct msv_expansion x;

	load_good("root: anna, bert\nowner-root: bert\n");
	ck_assert_int_eq(msv_expand(aliases, &to, NULL, NULL, &x), 0);
	ck_assert_uint_eq(x.nleaves, 2);
	ck_assert_int_eq(msv_expansion_no_account(&x, 0), 0);
	ck_assert_int_eq(msv_expansion_no_account(&x, 2), 0);
	ck_assert_int_eq(x.leaves[0].kind, MSV_LEAF_LOCAL);
	ck_assert_str_eq(x.leaves[0].address, "anna@example.com");
	msv_expansion_fini(&x);
	msv_expansion_fini(&x);
}
END_TEST

/* Mistakes beyond a number are counted, not told. */
START_TEST(many_mistakes)
{
	static char text[5000];
	unsigned lines = 0;

	for (size_t i = 0; i < 400; i++)
		append_line(text, sizeof text, "no colon");
	load(text);
	for (const char *p = reports; *p; p++)
		lines += *p == '\n';
	ck_assert_uint_eq(lines, MSV_ALIAS_REPORTS_MAX + 1);
	ck_assert_ptr_nonnull(strstr(reports, "aliases: more mistakes, not told\n"));
}
END_TEST

START_TEST(refusals)
{
	load_good("gone: error:550 5.1.6 Moved, see https://example.org/\n"
	          "quoted: \"error:450 4.2.0 Later\", anna\n"
	          "plain: :fail: No, thanks\n"
	          "later: :defer:\n"
	          "hole: :blackhole:\n"
	          "null: /dev/null\n"
	          "odd: error:550 5.1 half\n"
	          "other: error:550 4.1.1 class\n");
	expect("gone@example.org", "550 5.1.6 Moved, see https://example.org/\n");
	expect("quoted@example.org", "450 4.2.0 Later\nlocal anna@example.org\n");
	expect("plain@example.org", "550 5.1.1 No, thanks\n");
	expect("later@example.org", "451 4.2.1 No mail is taken here\n");
	expect("hole@example.org", "discard\n");
	expect("null@example.org", "discard\n");
	expect("odd@example.org", "550 5.1.1 5.1 half\n");
	expect("other@example.org", "550 5.1.1 4.1.1 class\n");
}
END_TEST

/* -- Programs ----------------------------------------------------------------------- */

static void expect_words(const char *name, size_t index, const char *words)
{
	const char *const *p = msv_aliases_program(aliases, name, index);
	char out[1000] = "";

	ck_assert_ptr_nonnull(p);
	for (; *p; p++)
		append_line(out, sizeof out, *p);
	ck_assert_str_eq(out, words);
}

START_TEST(programs)
{
	options.programs = true;
	load_good("a: \"|/bin/prog  one 'two three' \\\"four 'five\\\" si\\\\ x\"\n"
	          "b: |/bin/prog, |\"/bin/other word, comma\", anna\n"
	          "e: anna\n");
	expect("A@example.com", "program a 0\n");
	expect_words("a", 0, "/bin/prog\none\ntwo three\nfour 'five\nsi x\n");
	expect("b@example.org", "program b 0\nprogram b 1\nlocal anna@example.org\n");
	expect_words("b", 0, "/bin/prog\n");
	expect_words("B", 1, "/bin/other\nword,\ncomma\n");
	ck_assert_ptr_null(msv_aliases_program(aliases, "b", 2));
	ck_assert_ptr_null(msv_aliases_program(aliases, "nobody", 0));
	ck_assert_ptr_null(msv_aliases_program(aliases, "", 0));
	load_good("d: |/bin/x \"y \\\" z\"\n");
	expect_words("d", 0, "/bin/x\ny \" z\n");
	load_good("\"c d\"@example.org: \"|'/bin/a b' ''\"\n");
	expect("\"c d\"@example.org", "program \"c d\"@example.org 0\n");
	expect_words("\"c d\"@example.org", 0, "/bin/a b\n\n");
}
END_TEST

START_TEST(programs_wrong)
{
	char text[6000] = "long: \"|/bin/x ";

	options.programs = true;
	load("rel: \"|cat\"\nnone: \"|\"\nshell: \"|/bin/x && y\"\nvar: \"|/bin/x $HOME\"\n"
	     "open: \"|/bin/x 'y\"\nfine: \"|/bin/x '$HOME' \\\\$y\"\n");
	ck_assert_str_eq(reports,
	    "aliases:1: behind rel: a program is named by its whole path: \"|/path/program "
	    "word\"\n"
	    "aliases:2: behind none: a program is named by its whole path: \"|/path/program "
	    "word\"\n"
	    "aliases:3: behind shell: programs are run without a shell: put |&;<>()$`*? in quotes "
	    "when they are meant, or the whole line into a script\n"
	    "aliases:4: behind var: programs are run without a shell: put |&;<>()$`*? in quotes "
	    "when they are meant, or the whole line into a script\n"
	    "aliases:5: behind open: a quote inside the program's words is not closed\n");
	expect_words("fine", 0, "/bin/x\n$HOME\n$y\n");
	memset(text + strlen(text), 'y', 5000);
	strcpy(text + strlen(text), "\"\n");
	load(text);
	ck_assert_ptr_nonnull(strstr(reports, "more than 4096 octets"));
	strcpy(text, "many: \"|/bin/x");
	for (size_t i = 0; i < 64; i++)
		strcat(text, " y");
	load(strcat(text, "\"\n"));
	ck_assert_ptr_nonnull(strstr(reports, "more than 64 words"));
}
END_TEST

/* -- Lists -------------------------------------------------------------------------- */

START_TEST(lists)
{
	static const char *const contents[] = { "/list",
		"# people\nanna\n bert , someone@else.org\n\n:include:/more\n\"|/bin/sh\"\n"
		"error:550 no\n",
		"/more", "carl@example.com\n:include:/list\nanna\n", "/empty", "# nobody\n", NULL };

	files = contents;
	options.programs = true;
	load("list: :include:/list, x@else.org\n\"quoted\": \":include:/more\"\n"
	     "empty: :include: \"/empty\"\nmissing: :include:/missing\n");
	ck_assert_str_eq(reports,
	    "/list:6: behind list: in an included list only names, addresses and :include: may "
	    "stand\n"
	    "/list:7: behind list: in an included list only names, addresses and :include: may "
	    "stand\n"
	    "/list:6: behind \"quoted\": in an included list only names, addresses and :include: "
	    "may stand\n"
	    "/list:7: behind \"quoted\": in an included list only names, addresses and :include: "
	    "may stand\n"
	    "aliases:4: behind missing: /missing: there is no such file; until it can be read mail "
	    "to missing waits\n");
	expect("list@example.org",
	    "remote x@else.org\nlocal anna@example.org\nlocal bert@example.org\n"
	    "remote someone@else.org\nlocal carl@example.com\n");
	expect("quoted@example.org", "local carl@example.com\nlocal anna@example.org\n"
	                             "local bert@example.org\nremote someone@else.org\n");
	expect("empty@example.org", "550 5.2.4 This list has no members\n");
	expect("missing@example.org", "451 4.3.5 This address is not set up properly; its "
	                              "administrator can read why\n");
}
END_TEST

/* A list that comes later: nothing is told, and it is asked for again. */
START_TEST(lists_later)
{
	static const char *const contents[] = { "/list", "anna\n", NULL };

	files = contents;
	busy = "/list";
	ck_assert_int_eq(try_load("wrong\nlist: :include:/list\n"), MSV_ERR_BUSY);
	ck_assert_str_eq(reports, "");
	busy = NULL;
	load("wrong\nlist: :include:/list\n");
	ck_assert_str_ne(reports, "");
	expect("list@example.org", "local anna@example.org\n");
}
END_TEST

START_TEST(plain_files)
{
	char path[] = "/tmp/msv-aliases-XXXXXX", text[200];
	int fd = mkstemp(path);
	struct msv_buf out;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, "anna\nbert\n", 10), 10);
	close(fd);
	options.report = on_report;
	options.read_file = msv_alias_read_file;
	snprintf(text, sizeof text, "list: :include:%s\ndir: :include:/tmp\n", path);
	ck_assert_int_eq(msv_aliases_new(env, &options, text, strlen(text), &aliases), 0);
	expect("list@example.org", "local anna@example.org\nlocal bert@example.org\n");
	ck_assert_str_eq(reports,
	    "aliases:2: behind dir: /tmp: it is no ordinary file; until it can "
	    "be read mail to dir waits\n");
	unlink(path);
	msv_buf_init(&out, env);
	ck_assert_int_eq(msv_alias_read_file(NULL, path, &out), MSV_ERR_NOTFOUND);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	ck_assert_int_eq(msv_alias_read_file(NULL, path, &out), MSV_ERR_FORMAT);
	unlink(path);
	msv_buf_fini(&out);
}
END_TEST

/* The example of the manual page. */
START_TEST(manual)
{
	static const char *const contents[] = { "/etc/mailserv/team", "anna\nbert\n", NULL };
	static const char *const domains[] = { "example.org", "example.net", "old.example" };
	static char page[20000];
	const char *root = getenv("MSV_SOURCE_ROOT");
	struct msv_buf text;

	ck_assert_ptr_nonnull(root);
	snprintf(page, sizeof page, "%s/doc/man/mailserv-aliases.5", root);
	msv_buf_init(&text, env);
	ck_assert_int_eq(msv_alias_read_file(NULL, page, &text), 0);
	ck_assert_uint_lt(msv_buf_len(&text), sizeof page);
	snprintf(page, sizeof page, "%s", msv_buf_cstr(&text));
	msv_buf_fini(&text);
	char *example = strstr(page, "\nroot:");
	ck_assert_ptr_nonnull(example);
	*strstr(example, ".Ed") = '\0';
	files = contents;
	options.programs = true;
	options.domains = domains;
	load_good(example);
	expect("abuse@example.net", "local anna@example.org\n");
	expect("bert@example.org", "local bert@example.org\nremote bert@home.example\n");
	expect("sales@example.net", "local anna@example.org\n");
	expect("bert+x@old.example", "local bert@example.org\nremote bert@home.example\n");
	expect("anyone@example.net", "local bert@example.org\nremote bert@home.example\n");
	expect("team@example.org", "local anna@example.org from owner-team@example.org\n"
	                           "local bert@example.org from owner-team@example.org\n"
	                           "remote bert@home.example from owner-team@example.org\n");
	expect_words("tickets", 0, "/usr/local/bin/ticket\n--queue\nNew ones\n");
	expect("carl@example.org", "550 5.1.6 Carl has left, write to info@example.org\n");
}
END_TEST

/* -- What is tried, and in which order ----------------------------------------------- */

START_TEST(precedence)
{
	load_good("anna+news@example.org: one@else.org\n"
	          "anna@example.org: two@else.org\n"
	          "anna+news: three@else.org\n"
	          "anna: four@else.org\n"
	          "@example.org: five@else.org\n"
	          "@: six@else.org\n");
	expect("anna+news@example.org", "remote one@else.org\n");
	expect("anna+other@example.org", "remote two@else.org\n");
	expect("anna@example.org", "remote two@else.org\n");
	expect("anna+news@example.com", "remote three@else.org\n");
	expect("anna+other@example.com", "remote four@else.org\n");
	/* Accounts go before catch-alls, with their tag before without it. */
	expect("bert@example.org", "local bert@example.org\n");
	expect("bert+tag@example.org", "local bert@example.org tag tag\n");
	expect("plus+sign@example.org", "local plus+sign@example.org\n");
	expect("+odd@example.org", "remote five@else.org\n");
	expect("nobody+x@example.org", "remote five@else.org\n");
	expect("nobody@example.com", "remote six@else.org\n");
	expect("ANNA@EXAMPLE.ORG", "remote two@else.org\n");
	expect("other@elsewhere.example", "remote other@elsewhere.example\n");
}
END_TEST

START_TEST(separator)
{
	options.tag_separator = '-';
	load_good("anna: four@else.org\n");
	expect("anna-x@example.org", "remote four@else.org\n");
	expect("anna+x@example.org", nobody);
	expect("bert-x-y@example.org", "local bert@example.org tag x-y\n");
}
END_TEST

/* Bare names are of the domain they came from, then of the others. */
START_TEST(bare_names)
{
	load_good("info: anna\nsales: carl+shop\nboth: boss\nexact: carl@example.org\n");
	expect("info@example.org", "local anna@example.org\n");
	expect("info@old.example", "local anna@example.org\n");
	expect("sales@example.org", "local carl@example.com tag shop\n");
	expect("exact@example.com", nobody);
}
END_TEST

START_TEST(domain_alias)
{
	load_good("@old.example: @example.org\nchief@example.org: bert\n@example.com: @else.org\n");
	expect("anna@old.example", "local anna@example.org\n");
	expect("anna+x@old.example", "local anna@example.org tag x\n");
	expect("chief@old.example", "local bert@example.org\n");
	expect("old@old.example", "local old@old.example\n");
	expect("nobody@old.example", nobody);
	expect("\"a b\"@example.com", "remote \"a b\"@else.org\n");
	expect("carl@example.com", "local carl@example.com\n");
	/* Two that lead to each other end. */
	load_good("@old.example: @example.org\n@example.org: @old.example\n");
	expect("nobody@old.example", nobody);
	expect("anna@old.example", "local anna@example.org\n");
	/* Several local parts of one domain. */
	load_good("@old.example: @example.org\ntwo: anna@old.example, bert@old.example\n");
	expect("two@example.com", "local anna@example.org\nlocal bert@example.org\n");
}
END_TEST

START_TEST(catch_all)
{
	load_good("@example.org: missing\nlist: nobody@example.com, x@example.com\n"
	          "@example.com: bert@example.org\n");
	expect("x@example.org", nobody);
	expect("list@old.example", "local bert@example.org\n");
	ck_assert_str_eq(steps, "list -> nobody@example.com, x@example.com (aliases:2)\n"
	                        "nobody@example.com: no such account\n"
	                        "@example.com -> bert@example.org (aliases:3)\n"
	                        "x@example.com: no such account\n"
	                        "@example.com -> bert@example.org (aliases:3)\n");
}
END_TEST

START_TEST(postmaster)
{
	load_good("");
	expect("postmaster", "local boss@example.com\n");
	expect("Postmaster@example.org", "local boss@example.com\n");
	expect("MAILER-DAEMON@example.org", "local boss@example.com\n");
	load_good("postmaster: root\nroot: anna\nabuse: postmaster\n");
	expect("postmaster", "local anna@example.org\n");
	expect("mailer-daemon@example.com", "local anna@example.org\n");
	expect("abuse@example.org", "local anna@example.org\n");
	load_good("mailer-daemon: bert\n@example.com: carl\n");
	expect("mailer-daemon@example.org", "local bert@example.org\n");
	expect("postmaster@example.com", "local boss@example.com\n");
	options.postmaster = "gone@example.org";
	load_good("@example.org: anna\n");
	expect("postmaster@example.org", "local anna@example.org\n");
	options.ndomains = 0;
	load_good("");
	expect("postmaster", nobody);
}
END_TEST

/* -- Aliases in aliases ----------------------------------------------------------------- */

START_TEST(copies)
{
	load_good("anna: anna, anna@else.org\nbert: \\bert, bert@else.org\ncarl: carl@example.com\n"
	          "a@example.org: plus, anna\nplus: \\anna@example.org, anna\nself: self\n");
	expect("anna@example.org", "local anna@example.org\nremote anna@else.org\n");
	expect("bert@example.org", "local bert@example.org\nremote bert@else.org\n");
	expect("carl@example.org", "local carl@example.com\n");
	expect("self@example.org", nobody);
	/* By two ways, one leaf. */
	expect("a@example.org",
	    "local anna@example.org\nlocal anna@example.org\nremote anna@else.org\n");
}
END_TEST

START_TEST(loops)
{
	load_good("a: b\nb: c\nc: a\nanna: bert\nbert: anna\nd: e, f\ne: f\nf: e\n");
	expect("a@example.org", "554 5.4.6 The aliases of this address lead back to it\n");
	expect("anna@example.org", "local anna@example.org\n");
	expect("d@example.org", "554 5.4.6 The aliases of this address lead back to it\n");
}
END_TEST

START_TEST(depth)
{
	char text[4000] = "", line[40];

	for (int i = 0; i < 25; i++) {
		snprintf(line, sizeof line, "a%d: a%d", i, i + 1);
		append_line(text, sizeof text, line);
	}
	append_line(text, sizeof text, "a25: anna");
	load_good(text);
	expect("a6@example.org", "local anna@example.org\n");
	expect("a5@example.org", "554 5.4.6 Too many aliases lead to one another\n");
}
END_TEST

START_TEST(steps_in_words)
{
	load_good("root: admin, someone@else.org\nadmin: anna, \\bert\n");
	expect("root@example.org",
	    "local anna@example.org\nlocal bert@example.org\nremote someone@else.org\n");
	ck_assert_str_eq(steps, "root -> admin, someone@else.org (aliases:1)\n"
	                        "admin -> anna, \\bert (aliases:2)\n");
	expect("bert+x@example.com", nobody);
	ck_assert_str_eq(steps, "bert+x@example.com: no such account\n"
	                        "bert@example.com: no such account\n"
	                        "bert@example.com: refused: 550 5.1.1 No such mailbox here\n");
}
END_TEST

/* A list with an owner; what its leaves are for DSN. */
START_TEST(owners)
{
	struct msv_expansion x;

	load_good("list: anna, sub, x@else.org\nowner-list: bert\nsub: y@else.org\n"
	          "plain: z@else.org\nown: w@else.org\nowner-own@example.org: bert\n"
	          "over: own\nowner-owner-list: carl\n");
	expect("list@example.com", "local anna@example.org from owner-list@example.com\n"
	                           "remote y@else.org from owner-list@example.com\n"
	                           "remote x@else.org from owner-list@example.com\n");
	expect("owner-list@example.org", "local bert@example.org\n");
	expect("own@example.org", "remote w@else.org\n");
	load_good("own@example.org: w@else.org\nowner-own@example.org: bert\nplain: w@else.org\n");
	expect("own@example.org", "remote w@else.org from owner-own@example.org\n");
	ck_assert_int_eq(expand_into("plain@example.org", some_accounts, &x), 0);
	ck_assert(x.leaves[0].forwarded && !x.leaves[0].several);
	msv_expansion_fini(&x);
	load_good("plain: w@else.org, two\ntwo: anna\n");
	ck_assert_int_eq(expand_into("plain@example.org", some_accounts, &x), 0);
	ck_assert(x.leaves[1].forwarded && x.leaves[1].several);
	msv_expansion_fini(&x);
	ck_assert_int_eq(expand_into("two@example.org", some_accounts, &x), 0);
	ck_assert(!x.leaves[0].several);
	msv_expansion_fini(&x);
	ck_assert_int_eq(expand_into("anna@example.org", some_accounts, &x), 0);
	ck_assert(!x.leaves[0].forwarded);
	msv_expansion_fini(&x);
}
END_TEST

/* -- Large, and short of memory ----------------------------------------------------------- */

START_TEST(many)
{
	const size_t n = 100000;
	char *text = malloc(n * 48 + 1), *p = text, address[64], wanted[64];

	for (size_t i = 0; i < n; i++)
		p += snprintf(
		    p, 49, "name%zu: target%zu@else.org\n", (i * 7919) % n, (i * 7919) % n);
	load_good(text);
	ck_assert_uint_eq(msv_aliases_count(aliases), n);
	ck_assert_uint_lt(msv_test_memory(test), (size_t)40 << 20);
	for (size_t i = 0; i < n; i += 997) {
		snprintf(address, sizeof address, "NAME%zu@example.org", i);
		snprintf(wanted, sizeof wanted, "remote target%zu@else.org\n", i);
		expect(address, wanted);
	}
	free(text);
}
END_TEST

START_TEST(many_leaves)
{
	const size_t n = MSV_ALIAS_TARGETS_MAX;
	char *text = malloc(2 * n * 24 + 100), *p = text;
	struct msv_expansion x;

	p += sprintf(p, "all: one, two\none: ");
	for (size_t i = 0; i < n + 5; i++)
		p += sprintf(p, "a%zu@else.org,\n ", i);
	p += sprintf(p, "\ntwo: ");
	for (size_t i = 0; i < 10; i++)
		p += sprintf(p, "b%zu@else.org,", i);
	load(text);
	ck_assert_str_eq(reports, "aliases:10002: one has more than 10000 targets; split it\n");
	ck_assert_int_eq(expand_into("one@example.org", some_accounts, &x), 0);
	ck_assert_uint_eq(x.nleaves, n + 1);
	ck_assert_int_eq(x.leaves[n].code, 451);
	msv_expansion_fini(&x);
	ck_assert_int_eq(expand_into("all@example.org", some_accounts, &x), 0);
	ck_assert_uint_eq(x.nleaves, MSV_ALIAS_LEAVES_MAX + 1);
	ck_assert_int_eq(x.leaves[x.nleaves - 1].code, 451);
	msv_expansion_fini(&x);
	free(text);
}
END_TEST

/* Lists are limited in number and together in size; what is beyond waits. */
START_TEST(many_lists)
{
	static const char *contents[] = { "/list", "anna\n", "/huge", NULL, NULL };
	char *text = malloc(1002 * 40), *p = text;
	char *huge = malloc(MSV_ALIASES_SIZE_MAX + 1);

	files = contents;
	for (size_t i = 0; i < MSV_ALIAS_INCLUDES_MAX + 1; i++)
		p += sprintf(p, "l%zu: :include:/list\n", i);
	load(text);
	ck_assert_str_eq(reports,
	    "aliases:1001: behind l1000: /list: limit reached; until it can be read mail to "
	    "l1000 waits\n");
	expect("l999@example.org", "local anna@example.org\n");
	ck_assert_int_eq(strncmp(expand("l1000@example.org"), "451 4.3.5", 9), 0);
	memset(huge, '\n', MSV_ALIASES_SIZE_MAX);
	huge[MSV_ALIASES_SIZE_MAX] = '\0';
	contents[3] = huge;
	load("l: :include:/huge\nm: :include:/list\n");
	ck_assert_int_eq(strncmp(expand("l@example.org"), "451 4.3.5", 9), 0);
	expect("m@example.org", "local anna@example.org\n");
	free(text);
	free(huge);
}
END_TEST

static const char everything[] =
    "# all forms\nroot: anna, \"|/bin/x 'y z'\", :include:/list, error:550 5.1.1 no, never\n"
    "wrong\nanna: anna, x@else.org, /dev/null\nlist: :include:/list\nowner-list: bert\n"
    "@old.example: @example.org\n@example.com: root, list, list\nroot: twice\n"
    "b\xc3\xbc"
    "cher: @wrong\n";

/* Loads and expands all there is; the first error. */
static int play(void)
{
	static const char *const contents[] = { "/list", "anna\ncarl+x\n:include:/more\n", "/more",
		"bert\n", NULL };
	static const char *const addresses[] = { "nobody@example.com", "root+x@example.org",
		"list@old.example", "x@old.example", "postmaster", "mailer-daemon@example.org",
		NULL };
	struct msv_expansion x;
	int error;

	files = contents;
	options.programs = true;
	reports[0] = steps[0] = '\0';
	error = try_load(everything);
	for (size_t i = 0; addresses[i] && !error; i++) {
		memset(&x, 0, sizeof x);
		error = expand_into(addresses[i], some_accounts, &x);
		msv_expansion_fini(&x);
	}
	return error;
}

START_TEST(no_memory)
{
	uint64_t before = msv_test_allocs(test), n;

	ck_assert_int_eq(play(), 0);
	n = msv_test_allocs(test) - before;
	ck_assert_uint_gt(n, 50);
	for (uint64_t i = 0; i < n; i++) {
		msv_test_fail_alloc(test, i, false);
		ck_assert_int_eq(play(), MSV_ERR_NOMEM);
	}
	msv_test_fail_alloc(test, UINT64_MAX, false);
	ck_assert_int_eq(play(), 0);
}
END_TEST

START_TEST(limits)
{
	static const char *const wrong[] = { "two words" };

	ck_assert_int_eq(
	    msv_aliases_new(env, &options, "", MSV_ALIASES_SIZE_MAX + 1, &aliases), MSV_ERR_LIMIT);
	options.domains = wrong;
	options.ndomains = 1;
	ck_assert_int_eq(msv_aliases_new(env, &options, NULL, 0, &aliases), 0);
	/* An expansion keeps its table. */
	load_good("root: anna\n");
	struct msv_expansion x;
	ck_assert_int_eq(expand_into("root@else.org", some_accounts, &x), 0);
	msv_aliases_unref(aliases);
	aliases = NULL;
	ck_assert_str_eq(x.leaves[0].address, "root@else.org");
	msv_expansion_fini(&x);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("mta/aliases");

	check_fixture_case(s, "file", setup, teardown, classic, mistakes, odd_sizes, silent,
	    many_mistakes, refusals, programs, programs_wrong, lists, lists_later, plain_files,
	    manual);
	check_fixture_case(s, "order", setup, teardown, precedence, separator, bare_names,
	    domain_alias, catch_all, postmaster);
	check_fixture_case(
	    s, "aliases in aliases", setup, teardown, copies, loops, depth, steps_in_words, owners);
	check_fixture_case(
	    s, "limits", setup, teardown, many, many_leaves, many_lists, no_memory, limits);
	return check_main(s);
}
