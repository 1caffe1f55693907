/* Does everything that the configuration names exist and fit?  Used by
 * `mailservd -n` and `mailservctl check`. */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"

void finding_report(void *user, enum msv_log_level level, const char *line)
{
	struct findings *findings = user;
	if (level == MSV_LOG_ERROR)
		findings->errors++;
	else if (level == MSV_LOG_WARN)
		findings->warnings++;
	else
		return;
	fprintf(stderr, "%s%s\n", level == MSV_LOG_ERROR ? "" : "warning: ", line);
}

void finding(struct findings *findings, enum msv_log_level level, const char *format, ...)
{
	char line[1024];
	va_list args;
	va_start(args, format);
	vsnprintf(line, sizeof line, format, args);
	va_end(args);
	finding_report(findings, level, line);
}

void config_tls_options(
    const struct config *config, struct msv_tls_pair *pairs, struct msv_tls_options *options)
{
	for (size_t i = 0; i < config->ncertificates; i++)
		pairs[i] = (struct msv_tls_pair){ .size = sizeof *pairs,
			.cert_file = config->certificates[i].cert_file,
			.key_file = config->certificates[i].key_file };
	*options = (struct msv_tls_options){ .size = sizeof *options,
		.pairs = pairs,
		.npairs = config->ncertificates,
		.hostnames = (const char *const *)&config->hostname,
		.nhostnames = 1 };
}

static void check_certificates(
    const struct config *config, struct msv_env *env, struct findings *findings)
{
	if (config->ncertificates == 0)
		return;
	struct msv_tls_pair *pairs = calloc(config->ncertificates, sizeof *pairs);
	struct msv_tls_options options;
	unsigned before = findings->errors;
	if (!pairs)
		return;
	config_tls_options(config, pairs, &options);
	options.report = finding_report;
	options.user = findings;
	if (msv_tls_check(env, &options, NULL) < 0 && findings->errors == before)
		findings->errors++;
	free(pairs);
}

static void check_passwd(
    const struct config *config, struct msv_env *env, struct findings *findings)
{
	struct msv_passwd *passwd;
	struct msv_passwd_options options = { .size = sizeof options,
		.path = config->passwd,
		.report = finding_report,
		.user = findings };
	unsigned before = findings->errors;
	int error = msv_passwd_new(env, &options, &passwd);
	if (error) {
		if (findings->errors == before)
			finding(findings, MSV_LOG_ERROR,
			    "%s: the passwd file cannot be read: %s; make it with: mailservctl "
			    "user add NAME",
			    config->passwd, msv_strerror(error));
		return;
	}
	if (msv_passwd_count(passwd) == 0)
		finding(findings, MSV_LOG_WARN,
		    "%s: no account in it: nobody can log in; add one with: mailservctl user add "
		    "NAME",
		    config->passwd);
	msv_passwd_free(passwd);
}

/* Looks for an account that receives mail. */
struct search {
	const char *name;
	bool found;
};

static void on_account(void *user, const struct msv_account *account, const char *scheme)
{
	struct search *search = user;
	(void)scheme;
	if (account->receives && strcasecmp(account->name, search->name) == 0)
		search->found = true;
}

static void check_postmaster(
    const struct config *config, struct msv_env *env, struct findings *findings)
{
	struct search search = { .name = config->postmaster };
	if (!config->postmaster || msv_passwd_list(env, config->passwd, on_account, &search) != 0 ||
	    search.found)
		return;
	finding(findings, MSV_LOG_ERROR,
	    "%s: postmaster %s is no account that receives mail; add it with: mailservctl user add "
	    "%s",
	    config->file, config->postmaster, config->postmaster);
}

/* True when the user may write to what stat says. */
static bool may_write(const struct stat *st, uid_t uid, gid_t gid)
{
	if (uid == 0)
		return true;
	if (st->st_uid == uid)
		return st->st_mode & S_IWUSR;
	if (st->st_gid == gid)
		return st->st_mode & S_IWGRP;
	return st->st_mode & S_IWOTH;
}

bool check_writable(
    const char *path, const char *what, uid_t uid, gid_t gid, struct findings *findings)
{
	struct stat st;
	bool good = stat(path, &st) == 0;
	if (!good)
		finding(findings, MSV_LOG_ERROR, "%s: %s: %s; make it and give it to the mail user",
		    path, what, strerror(errno));
	else if (!(good = S_ISDIR(st.st_mode) && may_write(&st, uid, gid)))
		finding(findings, MSV_LOG_ERROR,
		    "%s: the mail user (uid %u) cannot write there; give it the directory with "
		    "chown",
		    path, (unsigned)uid);
	return good;
}

static void check_directories(const struct config *config, struct findings *findings)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	if (uid == 0) {
		const char *name = config->user ? config->user : "vmail";
		const struct passwd *entry = getpwnam(name);
		if (!entry) {
			finding(findings, MSV_LOG_ERROR,
			    "%s: the mail user %s does not exist; make it with: useradd --system "
			    "%s",
			    config->file, name, name);
			return;
		}
		uid = entry->pw_uid;
		gid = entry->pw_gid;
		if (uid == 0)
			finding(findings, MSV_LOG_ERROR,
			    "%s: the mail user must not be root; say user = \"vmail\"",
			    config->file);
	}
	check_queue(config, uid, gid, findings);
	if (strcmp(config->mail_root, "/") == 0)
		return; /* homes may be anywhere */
	check_writable(config->mail_root, "the mail directory", uid, gid, findings);
}

unsigned config_check(const struct config *config, unsigned *warnings)
{
	struct findings findings = { 0 };
	struct msv_env *env;
	if (msv_env_new(NULL, &env) != 0)
		return 1;
	check_certificates(config, env, &findings);
	check_passwd(config, env, &findings);
	check_postmaster(config, env, &findings);
	check_directories(config, &findings);
	check_sending(config, &findings);
	msv_env_free(env);
	if (warnings)
		*warnings = findings.warnings;
	return findings.errors;
}
