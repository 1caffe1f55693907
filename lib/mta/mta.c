/* The mta: its options, and its life. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "mta/mta.h"

#define BODY_MEMORY   ((size_t)256 << 10)
#define MEMORY_BUDGET ((size_t)64 << 20)

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int copy_domains(struct msv_mta *mta, const struct msv_mta_options *options)
{
	mta->domains = msv_alloc(mta->env, (options->ndomains + 1) * sizeof *mta->domains);
	if (!mta->domains)
		return MSV_ERR_NOMEM;
	for (size_t i = 0; i < options->ndomains; i++) {
		char *domain = msv_strdup(mta->env, options->domains[i]);
		if (!domain)
			return MSV_ERR_NOMEM;
		for (char *p = domain; *p; p++)
			*p = (char)tolower((unsigned char)*p);
		mta->domains[mta->ndomains++] = domain;
	}
	qsort(mta->domains, mta->ndomains, sizeof *mta->domains, by_name);
	return 0;
}

static int copy_options(struct msv_mta *mta, const struct msv_mta_options *options)
{
	mta->auth = options->auth;
	mta->store = options->store;
	mta->tag_separator = options->tag_separator ? options->tag_separator : '+';
	mta->body_memory = options->body_memory ? options->body_memory : BODY_MEMORY;
	mta->memory_budget = options->memory_budget ? options->memory_budget : MEMORY_BUDGET;
	mta->hostname = msv_strdup(mta->env, options->hostname ? options->hostname : "localhost");
	mta->spool = msv_strdup(mta->env, options->spool ? options->spool : "/tmp");
	if (!mta->hostname || !mta->spool)
		return MSV_ERR_NOMEM;
	if (options->postmaster && !(mta->postmaster = msv_strdup(mta->env, options->postmaster)))
		return MSV_ERR_NOMEM;
	return copy_domains(mta, options);
}

int msv_mta_new(struct msv_env *env, const struct msv_mta_options *options, struct msv_mta **out)
{
	if (!options || !options->auth || !options->auth->lookup || !options->store)
		return MSV_ERR_INVAL;
	struct msv_mta *mta = msv_alloc(env, sizeof *mta);
	if (!mta)
		return MSV_ERR_NOMEM;
	mta->env = env;
	msv_env_ref(env);
	msv_mta_handler_init(&mta->handler);
	int error = copy_options(mta, options);
	if (error) {
		msv_mta_free(mta);
		return error;
	}
	*out = mta;
	return 0;
}

const struct msv_smtp_handler *msv_mta_handler(struct msv_mta *mta)
{
	return &mta->handler;
}

void msv_mta_free(struct msv_mta *mta)
{
	if (!mta)
		return;
	struct msv_env *env = mta->env;
	while (mta->transactions)
		msv_mta_transaction_free(mta->transactions);
	for (size_t i = 0; i < mta->ndomains; i++)
		msv_free(env, mta->domains[i]);
	msv_free(env, mta->domains);
	msv_free(env, mta->hostname);
	msv_free(env, mta->spool);
	msv_free(env, mta->postmaster);
	msv_free(env, mta);
	msv_env_unref(env);
}
