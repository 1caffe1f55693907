/* Aliases, masquerading, senders and SRS, as the options have them. */
#include <string.h>

#include "codec/casefold.h"
#include "mta/mta.h"

/* -- Aliases ----------------------------------------------------------------------- */

static int read_included(void *user, const char *path, struct msv_buf *out)
{
	const struct msv_mta_aliases *given = user;
	const char *p = NULL;
	size_t n = 0;
	int error = given->read(given->user, path, &p, &n);
	if (error)
		return error;
	error = msv_buf_put(out, p, n);
	if (given->done)
		given->done(given->user, p, n);
	return error;
}

static void report_alias(void *user, enum msv_log_level level, const char *line)
{
	const struct msv_mta_aliases *given = user;
	(void)level;
	given->problem(given->user, line);
}

static int read_aliases(
    struct msv_mta *mta, const struct msv_mta_aliases *given, struct msv_aliases **out)
{
	struct msv_aliases_options options = { .name = given->file,
		.domains = (const char *const *)mta->domains,
		.ndomains = mta->ndomains,
		.postmaster = mta->postmaster,
		.tag_separator = mta->tag_separator,
		.programs = mta->programs,
		.read_file = given->read ? read_included : NULL,
		.report = given->problem ? report_alias : NULL,
		.user = (void *)given };
	return msv_aliases_new(mta->env, &options, given->text, given->n, out);
}

int msv_mta_set_aliases(struct msv_mta *mta, const struct msv_mta_aliases *given)
{
	struct msv_mta_aliases all = { 0 };
	struct msv_aliases *aliases;
	memcpy(&all, given, given->size < sizeof all ? given->size : sizeof all);
	int error = read_aliases(mta, &all, &aliases);
	if (error)
		return error;
	msv_aliases_unref(mta->aliases);
	mta->aliases = aliases;
	if (mta->relay)
		msv_relay_set_aliases(mta->relay, aliases);
	return 0;
}

/* -- Small tables ------------------------------------------------------------------- */

static int masquerade_add(void *table, const char *key, const char *value, const char **mistake)
{
	return msv_masquerade_add(table, key, value, mistake);
}

static int senders_add(void *table, const char *key, const char *value, const char **mistake)
{
	return msv_senders_add(table, key, value, mistake);
}

/* Adds pairs; what is wrong with one is logged. */
static int add_pairs(struct msv_env *env, const char *what, const struct msv_mta_pair *pairs,
    size_t n, int (*add)(void *table, const char *, const char *, const char **), void *table)
{
	for (size_t i = 0; i < n; i++) {
		const char *mistake = "";
		int error = add(table, pairs[i].key, pairs[i].value, &mistake);
		if (error == MSV_ERR_FORMAT)
			msv_env_log(env, MSV_LOG_ERROR, "%s: %s: %s: %s", what, pairs[i].key,
			    pairs[i].value, mistake);
		if (error)
			return error;
	}
	return 0;
}

/* -- SRS ---------------------------------------------------------------------------- */

static int copy_srs(struct msv_mta *mta, const struct msv_mta_options *options)
{
	size_t n = options->nsrs_secrets;
	const char *domain = options->srs_domain ? options->srs_domain
	                     : mta->ndomains     ? mta->domains[0]
	                                         : NULL;
	if (!n)
		return 0;
	if (!domain)
		return MSV_ERR_INVAL;
	struct msv_span *spans = msv_alloc(mta->env, n * sizeof *spans);
	mta->srs.secrets = spans;
	mta->srs_secrets = msv_alloc(mta->env, n * sizeof *mta->srs_secrets);
	mta->srs_domain = msv_strdup(mta->env, domain);
	if (!spans || !mta->srs_secrets || !mta->srs_domain)
		return MSV_ERR_NOMEM;
	for (char *p = mta->srs_domain; *p; p++)
		*p = msv_ascii_lower(*p);
	for (; mta->srs.nsecrets < n; mta->srs.nsecrets++) {
		char *secret = msv_strdup(mta->env, options->srs_secrets[mta->srs.nsecrets]);
		if (!secret)
			return MSV_ERR_NOMEM;
		mta->srs_secrets[mta->srs.nsecrets] = secret;
		spans[mta->srs.nsecrets] = (struct msv_span){ secret, strlen(secret) };
	}
	mta->srs.domain = mta->srs_domain;
	return 0;
}

static void srs_fini(struct msv_mta *mta)
{
	for (size_t i = 0; i < mta->srs.nsecrets; i++)
		msv_free_secret(mta->env, mta->srs_secrets[i], strlen(mta->srs_secrets[i]));
	msv_free(mta->env, mta->srs_secrets);
	msv_free(mta->env, (void *)mta->srs.secrets);
	msv_free(mta->env, mta->srs_domain);
}

/* -- All ------------------------------------------------------------------------------ */

int msv_mta_names_init(struct msv_mta *mta, const struct msv_mta_options *options)
{
	struct msv_mta_aliases none = { .size = sizeof none };
	mta->programs = options->programs != NULL;
	mta->check_senders = (options->queue || options->nsenders) && !options->any_sender;
	msv_masquerade_init(&mta->masquerade, mta->env);
	msv_senders_init(&mta->senders, mta->env);
	mta->masquerades = options->nmasquerade > 0;
	int error = read_aliases(mta, &none, &mta->aliases);
	if (!error)
		error = add_pairs(mta->env, "masquerade", options->masquerade, options->nmasquerade,
		    masquerade_add, &mta->masquerade);
	if (!error)
		error = add_pairs(mta->env, "senders", options->senders, options->nsenders,
		    senders_add, &mta->senders);
	return error ? error : copy_srs(mta, options);
}

void msv_mta_names_fini(struct msv_mta *mta)
{
	msv_aliases_unref(mta->aliases);
	if (mta->masquerade.env) { /* it came so far */
		msv_masquerade_fini(&mta->masquerade);
		msv_senders_fini(&mta->senders);
	}
	srs_fini(mta);
}
