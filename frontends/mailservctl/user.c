/* mailservctl user: the accounts of a passwd-file. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "mailservctl.h"
#include "password.h"

/* What was asked for. */
struct request {
	struct msv_env *env;
	const char *name; /* of the account */
	const char *file; /* the passwd-file */
	const char *scheme, *home;
	bool scram;
};

typedef int (*user_fn)(struct request *request);

/* -- Looking into the file --------------------------------------------------- */

/* An entry as the file has it. */
struct entry {
	const char *name; /* the one looked for */
	bool found, keys; /* keys: it serves SCRAM */
};

static bool has_extra(const struct msv_account *account, const char *key)
{
	for (size_t i = 0; i < account->nextra; i++)
		if (strcmp(account->extra[i].key, key) == 0)
			return true;
	return false;
}

static bool has_keys(const struct msv_account *account, const char *scheme)
{
	return *scheme && (has_extra(account, "scram-sha-256") || secret_scheme_has_keys(scheme));
}

static void find_row(void *user, const struct msv_account *account, const char *scheme)
{
	struct entry *entry = user;
	if (strcasecmp(account->name, entry->name) != 0)
		return;
	entry->found = true;
	entry->keys = has_keys(account, scheme);
}

static int unreadable(const struct request *r, int error)
{
	fprintf(stderr, "mailservctl: %s: %s\n", r->file,
	    error == MSV_ERR_NOTFOUND ? "there is no such file" : msv_strerror(error));
	return EXIT_FAILURE;
}

/* -- Changing it --------------------------------------------------------------- */

/* Another edit takes a moment; so long we wait. */
enum { TRIES = 50, TRY_MS = 100 };

/* Says what went wrong. */
static int explain(const struct request *r, int error)
{
	switch (error) {
	case 0:
		return EXIT_SUCCESS;
	case MSV_ERR_EXISTS:
		fprintf(stderr,
		    "mailservctl: %s is in %s already; change the password with: mailservctl user "
		    "passwd\n",
		    r->name, r->file);
		break;
	case MSV_ERR_NOTFOUND:
		fprintf(stderr, "mailservctl: %s is not in %s\n", r->name, r->file);
		break;
	case MSV_ERR_FORMAT:
		fprintf(stderr,
		    "mailservctl: that name or home cannot stand in a passwd file: a name has at "
		    "most "
		    "one @, no /, no colon, no control characters and no dot in front\n");
		return EXIT_USAGE;
	case MSV_ERR_BUSY:
		fprintf(stderr, "mailservctl: %s: somebody else is editing it\n", r->file);
		break;
	case MSV_ERR_DENIED:
		fprintf(stderr,
		    "mailservctl: %s: permission denied: the directory must be writable, and the "
		    "file's owner and group must stay\n",
		    r->file);
		break;
	default:
		fprintf(stderr, "mailservctl: %s: %s\n", r->file, msv_strerror(error));
		break;
	}
	return EXIT_FAILURE;
}

typedef int (*edit_fn)(const struct request *r, const struct secret *secret);

/* Runs the edit, again while the file is locked. */
static int edit(const struct request *r, edit_fn fn, const struct secret *secret)
{
	const struct timespec pause = { .tv_nsec = TRY_MS * 1000000L };
	int error = fn(r, secret);
	for (int i = 1; i < TRIES && error == MSV_ERR_BUSY; i++) {
		nanosleep(&pause, NULL);
		error = fn(r, secret);
	}
	return explain(r, error);
}

static int edit_add(const struct request *r, const struct secret *secret)
{
	return msv_passwd_add(r->env, r->file, r->name, secret->hash, secret->scram, r->home);
}

static int edit_change(const struct request *r, const struct secret *secret)
{
	return msv_passwd_change(r->env, r->file, r->name, secret->hash, secret->scram);
}

static int edit_remove(const struct request *r, const struct secret *secret)
{
	(void)secret;
	return msv_passwd_remove(r->env, r->file, r->name);
}

/* Asks for the password and runs the edit with what is made of it. */
static int edit_with_password(const struct request *r, bool scram, edit_fn fn)
{
	struct password password;
	struct secret secret;
	int status = EXIT_FAILURE;
	if (!secret_scheme_ok(r->env, r->scheme))
		return EXIT_USAGE;
	if (password_choose(r->name, &password) == 0 &&
	    secret_make(r->env, r->scheme, scram, &password, &secret) == 0) {
		status = edit(r, fn, &secret);
		secret_wipe(r->env, &secret);
	}
	password_wipe(&password);
	return status;
}

/* -- The commands ----------------------------------------------------------------- */

static int find(const struct request *r, struct entry *entry)
{
	*entry = (struct entry){ .name = r->name };
	return msv_passwd_list(r->env, r->file, find_row, entry);
}

/* What is wrong already is told before a password is asked for. */
static int user_add(struct request *r)
{
	struct entry entry;
	if (!msv_account_name_valid(r->name))
		return explain(r, MSV_ERR_FORMAT);
	if (find(r, &entry) == 0 && entry.found)
		return explain(r, MSV_ERR_EXISTS);
	return edit_with_password(r, r->scram, edit_add);
}

/* Who could use SCRAM still can: one account without keys would take the
 * mechanism from all. */
static int user_passwd(struct request *r)
{
	struct entry entry;
	int error = find(r, &entry);
	if (error)
		return unreadable(r, error);
	if (!entry.found)
		return explain(r, MSV_ERR_NOTFOUND);
	return edit_with_password(r, r->scram || entry.keys, edit_change);
}

static int user_remove(struct request *r)
{
	return edit(r, edit_remove, NULL);
}

static void list_row(void *user, const struct msv_account *account, const char *scheme)
{
	(void)user;
	printf("%-32s %-14s%s%s%s", account->name, *scheme ? scheme : "-",
	    has_keys(account, scheme) ? " scram" : "", account->receives ? "" : " login-only",
	    has_extra(account, "nologin") ? " nologin" : "");
	if (account->quota_storage)
		printf(" quota=%lluM", (unsigned long long)(account->quota_storage >> 20));
	if (*account->home)
		printf(" home=%s", account->home);
	putchar('\n');
}

static int user_list(struct request *r)
{
	int error = msv_passwd_list(r->env, r->file, list_row, NULL);
	return error ? unreadable(r, error) : EXIT_SUCCESS;
}

enum { TAKES_NAME = 1, TAKES_PASSWORD = 2, TAKES_HOME = 4 };

static const struct {
	const char *name;
	user_fn fn;
	unsigned takes;
	const char *usage;
} commands[] = {
	{ "add", user_add, TAKES_NAME | TAKES_PASSWORD | TAKES_HOME,
	    "add [--scram] [--scheme scheme] [--home dir] [--file passwd] name" },
	{ "passwd", user_passwd, TAKES_NAME | TAKES_PASSWORD,
	    "passwd [--scram] [--scheme scheme] [--file passwd] name" },
	{ "remove", user_remove, TAKES_NAME, "remove [--file passwd] name" },
	{ "list", user_list, 0, "list [--file passwd]" },
};
#define NCOMMANDS (sizeof commands / sizeof *commands)

/* -- The command line ---------------------------------------------------------------- */

static int usage(void)
{
	for (size_t i = 0; i < NCOMMANDS; i++)
		fprintf(stderr, "%s mailservctl [-c file] user %s\n",
		    i ? "      " : "usage:", commands[i].usage);
	return EXIT_USAGE;
}

/* 0, or the exit status. */
static int read_options(int argc, char **argv, unsigned takes, struct request *r)
{
	static const struct option options[] = {
		{ "file", required_argument, NULL, 'f' },
		{ "home", required_argument, NULL, 'h' },
		{ "scheme", required_argument, NULL, 's' },
		{ "scram", no_argument, NULL, 'k' },
		{ 0 },
	};
	int option;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'f')
			r->file = optarg;
		else if (option == 'h' && takes & TAKES_HOME)
			r->home = optarg;
		else if (option == 's' && takes & TAKES_PASSWORD)
			r->scheme = optarg;
		else if (option == 'k' && takes & TAKES_PASSWORD)
			r->scram = true;
		else
			return usage();
	}
	if (takes & TAKES_NAME && optind < argc)
		r->name = argv[optind++];
	if (optind < argc && takes & TAKES_PASSWORD)
		return refuse_password_argument();
	return optind < argc || (takes & TAKES_NAME && !r->name) ? usage() : 0;
}

/* With the passwd-file named by --file or by the configuration. */
static int run(user_fn fn, struct request *r, const char *config_file)
{
	struct config *config = NULL;
	int status = EXIT_FAILURE;
	if (!r->file) {
		config = config_load(config_file);
		if (!config)
			return EXIT_FAILURE;
		r->file = config->passwd;
	}
	r->env = command_env();
	if (r->env)
		status = fn(r);
	msv_env_free(r->env);
	config_free(config);
	return status;
}

int command_user(const char *config_file, int argc, char **argv)
{
	struct request request = { 0 };
	for (size_t i = 0; argc > 1 && i < NCOMMANDS; i++) {
		if (strcmp(argv[1], commands[i].name) != 0)
			continue;
		int status = read_options(argc - 1, argv + 1, commands[i].takes, &request);
		return status ? status : run(commands[i].fn, &request, config_file);
	}
	return usage();
}
