/* The mta: its options, and its life. */
#include <stdlib.h>
#include <string.h>

#include "codec/casefold.h"
#include "codec/idna.h"
#include "mta/mta.h"

#define BODY_MEMORY   ((size_t)256 << 10)
#define MEMORY_BUDGET ((size_t)64 << 20)

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct mta_domain *)a)->ascii, ((const struct mta_domain *)b)->ascii);
}

static int add_domain(struct msv_mta *mta, const char *given)
{
	char ascii[MSV_DOMAIN_SIZE];
	struct mta_domain *domain = &mta->domains[mta->ndomains++];
	int error = msv_domain_to_ascii(given, ascii);
	if (error)
		return error;
	domain->ascii = msv_strdup(mta->env, ascii);
	domain->name = msv_strdup(mta->env, given);
	if (!domain->ascii || !domain->name)
		return MSV_ERR_NOMEM;
	for (char *p = domain->name; *p; p++)
		*p = msv_ascii_lower(*p);
	return 0;
}

static int copy_domains(struct msv_mta *mta, const struct msv_mta_options *options)
{
	mta->domains = msv_alloc(mta->env, (options->ndomains + 1) * sizeof *mta->domains);
	if (!mta->domains)
		return MSV_ERR_NOMEM;
	for (size_t i = 0; i < options->ndomains; i++) {
		int error = add_domain(mta, options->domains[i]);
		if (error)
			return error;
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
	for (size_t i = 0; i < mta->ndomains; i++) {
		msv_free(env, mta->domains[i].ascii);
		msv_free(env, mta->domains[i].name);
	}
	msv_free(env, mta->domains);
	msv_free(env, mta->hostname);
	msv_free(env, mta->spool);
	msv_free(env, mta->postmaster);
	msv_free(env, mta);
	msv_env_unref(env);
}
