/* Do aliases, secrets, routes, senders and the queue's directory fit? */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"

/* A file beyond this is a mistake. */
#define FILE_MAX ((off_t)16 << 20)

struct text {
	char *p;
	size_t n;
	mode_t mode;
};

/* Reads a whole file.  0, or -1 with errno. */
static int read_text(const char *path, struct text *out)
{
	struct stat st;
	FILE *file = fopen(path, "re");
	*out = (struct text){ 0 };
	if (!file)
		return -1;
	if (fstat(fileno(file), &st) != 0 || !S_ISREG(st.st_mode) || st.st_size > FILE_MAX) {
		errno = EINVAL;
	} else if ((out->p = malloc((size_t)st.st_size + 1))) {
		out->n = fread(out->p, 1, (size_t)st.st_size, file);
		out->p[out->n] = '\0';
		out->mode = st.st_mode;
	}
	fclose(file);
	return out->p ? 0 : -1;
}

static void text_fini(struct text *text)
{
	if (text->p)
		explicit_bzero(text->p, text->n);
	free(text->p);
}

static bool read_or_tell(
    const char *path, const char *what, struct text *out, struct findings *findings)
{
	if (read_text(path, out) == 0)
		return true;
	finding(findings, MSV_LOG_ERROR,
	    "%s: %s cannot be read: %s; check the path and who may read it", path, what,
	    strerror(errno));
	return false;
}

/* -- Aliases and senders: an mta that does nothing takes them --------------------------- */

static int read_include(void *user, const char *path, const char **p, size_t *n)
{
	struct text text;
	(void)user;
	if (read_text(path, &text) != 0)
		return errno == EACCES   ? MSV_ERR_DENIED
		       : errno == ENOENT ? MSV_ERR_NOTFOUND
		                         : MSV_ERR_IO;
	*p = text.p;
	*n = text.n;
	return 0;
}

static void include_done(void *user, const char *p, size_t n)
{
	(void)user, (void)n;
	free((void *)(uintptr_t)p);
}

static void on_problem(void *user, const char *line)
{
	finding_report(user, MSV_LOG_WARN, line);
}

static void check_aliases(
    const struct config *config, struct msv_mta *mta, struct findings *findings)
{
	struct text text;
	if (!config->aliases || !read_or_tell(config->aliases, "the aliases file", &text, findings))
		return;
	struct msv_mta_aliases aliases = { .size = sizeof aliases,
		.file = config->aliases,
		.text = text.p,
		.n = text.n,
		.read = read_include,
		.done = include_done,
		.problem = on_problem,
		.user = findings };
	int error = msv_mta_set_aliases(mta, &aliases);
	if (error)
		finding(findings, MSV_LOG_ERROR, "%s: the aliases cannot be used: %s",
		    config->aliases, msv_strerror(error));
	text_fini(&text);
}

static void check_addresses(
    const struct config *config, struct msv_env *env, struct findings *findings)
{
	static const struct msv_store store = { .size = sizeof store };
	static const struct msv_program_runner runner = { .size = sizeof runner };
	struct msv_passwd *nobody = NULL;
	struct msv_mta *mta = NULL;
	int error = msv_passwd_new(env, NULL, &nobody);
	if (!error) {
		struct msv_mta_options options = { .size = sizeof options,
			.domains = (const char *const *)config->domains,
			.ndomains = config->ndomains,
			.auth = msv_passwd_auth(nobody),
			.store = &store,
			.programs = config->programs ? &runner : NULL,
			.srs_domain = config->srs_domain,
			.masquerade = (const struct msv_mta_pair *)(const void *)config->masquerade,
			.nmasquerade = config->nmasquerade,
			.senders = (const struct msv_mta_pair *)(const void *)config->senders,
			.nsenders = config->nsenders };
		error = msv_mta_new(env, &options, &mta);
	}
	if (error)
		finding(findings, MSV_LOG_ERROR,
		    "%s: domains, sender, masquerade or srs_domain cannot be used: %s",
		    config->file, msv_strerror(error));
	else
		check_aliases(config, mta, findings);
	msv_mta_free(mta);
	msv_passwd_free(nobody);
}

/* -- Routes ------------------------------------------------------------------------------- */

static void check_login(const struct config *config, const struct route *r,
    const struct text *secrets, struct findings *findings)
{
	struct login login;
	if (!r->login || !secrets->p)
		return;
	if (config_find_login(secrets->p, secrets->n, r->login, &login) == 0)
		config_free_login(&login);
	else
		finding(findings, MSV_LOG_ERROR,
		    "%s:%d: route %s: no line '%s user:password' in %s; write it", config->file,
		    r->line, r->domain, r->login, config->secrets);
}

static void check_ca(const struct config *config, const struct route *r, struct msv_env *env,
    struct findings *findings)
{
	struct msv_tls_client *tls = NULL;
	struct msv_tls_client_config tls_config = { .size = sizeof tls_config,
		.ca_file = r->ca_file };
	int error = r->ca_file ? msv_tls_client_new(env, &tls_config, &tls) : 0;
	if (error)
		finding(findings, MSV_LOG_ERROR,
		    "%s:%d: route %s: ca %s cannot be used: %s; name a PEM file the mail user may "
		    "read",
		    config->file, r->line, r->domain, r->ca_file, msv_strerror(error));
	msv_tls_client_free(tls);
}

static void check_routes(
    const struct config *config, struct msv_env *env, struct findings *findings)
{
	struct text secrets = { 0 };
	if (config->secrets &&
	    read_or_tell(config->secrets, "the secrets file", &secrets, findings) &&
	    secrets.mode & (S_IRGRP | S_IROTH))
		finding(findings, MSV_LOG_WARN,
		    "%s: others may read the passwords in it; say: chmod 600 %s", config->secrets,
		    config->secrets);
	for (size_t i = 0; i < config->nroutes; i++) {
		check_login(config, &config->routes[i], &secrets, findings);
		check_ca(config, &config->routes[i], env, findings);
	}
	text_fini(&secrets);
}

void check_sending(const struct config *config, struct findings *findings)
{
	struct msv_env *env;
	struct msv_env_options options = {
		.size = sizeof options, .log = finding_report, .user = findings
	};
	if (msv_env_new(&options, &env) != 0) {
		finding(findings, MSV_LOG_ERROR, "out of memory");
		return;
	}
	check_addresses(config, env, findings);
	check_routes(config, env, findings);
	msv_env_free(env);
}

/* -- The queue -------------------------------------------------------------------------------- */

void check_queue(const struct config *config, uid_t uid, gid_t gid, struct findings *findings)
{
	char *path = config->queue.directory ? strdup(config->queue.directory) : NULL;
	struct stat st;
	if (!path)
		return; /* beneath the mail directory */
	/* The start makes it and what is above, as far as it may. */
	for (int up = 0; up < 2 && stat(path, &st) != 0 && errno == ENOENT; up++) {
		char *slash = strrchr(path, '/');
		slash[slash == path] = '\0';
		if (geteuid() == 0)
			uid = 0;
	}
	check_writable(path, "the queue's directory", uid, gid, findings);
	free(path);
}
