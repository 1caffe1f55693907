/* The mta: its options, and its life. */
#include <string.h>

#include "codec/casefold.h"
#include "codec/idna.h"
#include "mta/mta.h"

#define BODY_MEMORY   ((size_t)256 << 10)
#define MEMORY_BUDGET ((size_t)64 << 20)

static int add_domain(struct msv_mta *mta, const char *given)
{
	char ascii[MSV_DOMAIN_SIZE];
	int error = msv_domain_to_ascii(given, ascii);
	if (error)
		return error;
	char *name = msv_strdup(mta->env, given);
	if (!name)
		return MSV_ERR_NOMEM;
	for (char *p = name; *p; p++)
		*p = msv_ascii_lower(*p);
	mta->domains[mta->ndomains++] = name;
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
	return 0;
}

static uint32_t or_default(uint32_t given, uint32_t otherwise)
{
	return given ? given : otherwise;
}

static void copy_limits(struct mta_limits *out, const struct msv_mta_options *o)
{
	*out = (struct mta_limits){ .lifetime_s = or_default(o->lifetime_s, 4 * 24 * 3600),
		.warn_s = or_default(o->warn_s, 4 * 3600),
		.retry_first_s = or_default(o->retry_first_s, 300),
		.retry_longest_s = or_default(o->retry_longest_s, 4 * 3600),
		.host_connections = or_default(o->host_connections, 10),
		.destination_connections = or_default(o->destination_connections, 20),
		.connections = or_default(o->connections, 100),
		.connection_messages = or_default(o->connection_messages, 100),
		.transaction_recipients = or_default(o->transaction_recipients, 100) };
}

static int copy_options(struct msv_mta *mta, const struct msv_mta_options *options)
{
	mta->auth = options->auth;
	mta->store = options->store;
	mta->queue = options->queue;
	mta->dns = options->dns;
	mta->tag_separator = options->tag_separator ? options->tag_separator : '+';
	mta->body_memory = options->body_memory ? options->body_memory : BODY_MEMORY;
	mta->memory_budget = options->memory_budget ? options->memory_budget : MEMORY_BUDGET;
	copy_limits(&mta->limits, options);
	mta->hostname = msv_strdup(mta->env, options->hostname ? options->hostname : "localhost");
	mta->spool = msv_strdup(mta->env, options->spool ? options->spool : "/tmp");
	if (!mta->hostname || !mta->spool)
		return MSV_ERR_NOMEM;
	if (options->postmaster && !(mta->postmaster = msv_strdup(mta->env, options->postmaster)))
		return MSV_ERR_NOMEM;
	int error = copy_domains(mta, options);
	return error ? error : msv_mta_names_init(mta, options);
}

static int start_relay(struct msv_mta *mta, const struct msv_mta_options *options)
{
	struct relay_hooks hooks = { .user = mta, .recipients = msv_mta_inward };
	if (!options->queue)
		return 0;
	int error = msv_relay_new(mta->env, options, &hooks, &mta->relay);
	if (!error)
		msv_relay_set_aliases(mta->relay, mta->aliases);
	return error;
}

int msv_mta_new(struct msv_env *env, const struct msv_mta_options *given, struct msv_mta **out)
{
	struct msv_mta_options options = { 0 };
	if (!given)
		return MSV_ERR_INVAL;
	memcpy(&options, given, given->size < sizeof options ? given->size : sizeof options);
	options.size = sizeof options;
	if (!options.auth || !options.auth->lookup || !options.store)
		return MSV_ERR_INVAL;
	struct msv_mta *mta = msv_alloc(env, sizeof *mta);
	if (!mta)
		return MSV_ERR_NOMEM;
	mta->env = env;
	msv_env_ref(env);
	msv_mta_handler_init(&mta->handler);
	int error = copy_options(mta, &options);
	if (!error)
		error = start_relay(mta, &options);
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

void msv_mta_pause(struct msv_mta *mta, enum msv_mta_direction direction, bool pause)
{
	if (direction == MSV_MTA_IN)
		mta->paused_in = pause;
	else if (mta->relay)
		msv_relay_pause(mta->relay, pause);
}

bool msv_mta_paused(const struct msv_mta *mta, enum msv_mta_direction direction)
{
	if (direction == MSV_MTA_IN)
		return mta->paused_in;
	return mta->relay && msv_relay_paused(mta->relay);
}

void msv_mta_set_trace(struct msv_mta *mta, void (*line)(void *user, const char *line), void *user)
{
	if (mta->relay)
		msv_relay_set_trace(mta->relay, line, user);
}

void msv_mta_free(struct msv_mta *mta)
{
	if (!mta)
		return;
	struct msv_env *env = mta->env;
	msv_env_enter(env); /* nothing runs meanwhile that knows this mta */
	msv_relay_free(mta->relay);
	mta->relay = NULL;
	msv_mta_notices_free(mta);
	msv_mta_inwards_free(mta);
	msv_mta_explains_free(mta);

	while (mta->transactions)
		msv_mta_transaction_free(mta->transactions);
	msv_mta_names_fini(mta);
	for (size_t i = 0; i < mta->ndomains; i++)
		msv_free(env, mta->domains[i]);
	msv_free(env, mta->domains);
	msv_free(env, mta->hostname);
	msv_free(env, mta->spool);
	msv_free(env, mta->postmaster);
	msv_free(env, mta);
	msv_env_leave_quietly(env);
	msv_env_unref(env);
}
