/* The scheduler: takes what is due while there is room, and gives it to a session of
 * its destination. */
#include <string.h>

#include "mta/relay_parts.h"

/* Sessions with a destination that is not known to work. */
#define UNTRIED      2
/* The queue had nothing although it thought so; and clocks can be set. */
#define ASK_AGAIN    (1 * SECOND)
#define SLEEP_MAX    (60 * SECOND)
/* Deliveries on this machine at once. */
#define LOCAL_PLACES 16

static void look_now(struct msv_task *task);

uint64_t msv_relay_now(const struct msv_relay *relay)
{
	return msv_env_realtime(relay->env);
}

void msv_relay_look(struct msv_relay *relay)
{
	if (relay->queue)
		msv_env_defer(relay->env, &relay->task);
}

/* -- Places ------------------------------------------------------------------------------- */

void msv_relay_place_update(struct msv_relay *relay, struct relay_peer *destination)
{
	bool full = destination->sessions - destination->idle >= destination->limit;
	uint64_t until = full ? UINT64_MAX : 0;
	if (msv_relay_peer_blocked(&relay->destinations, destination))
		until = destination->blocked;
	if (until == destination->told)
		return;
	destination->told = until;
	msv_queue_block(relay->queue, destination->name, until);
	msv_relay_look(relay);
}

void msv_relay_place_take(struct msv_relay *relay, struct relay_peer *destination)
{
	destination->sessions++;
	relay->places++;
	msv_relay_place_update(relay, destination);
}

void msv_relay_place_free(struct msv_relay *relay, struct relay_peer *destination)
{
	destination->sessions--;
	relay->places--;
	msv_relay_place_update(relay, destination);
	msv_relay_look(relay);
}

void msv_relay_place_idle(struct msv_relay *relay, struct relay_peer *destination, bool idle)
{
	if (idle)
		destination->idle++;
	else
		destination->idle--;
	msv_relay_place_update(relay, destination);
	msv_relay_look(relay);
}

/* -- What is due ----------------------------------------------------------------------------- */

static void nobody(void *user)
{
	(void)user;
}

static void put_back(struct relay_work *work)
{
	msv_relay_work_say_all(work, RELAY_BACK, NULL);
	msv_relay_work_finish(work, nobody, NULL);
}

static void begin_local(struct msv_relay *relay, struct relay_work *work)
{
	bool program = work->delivery->kind == MSV_QUEUE_PROGRAM;
	struct relay_peer *place =
	    msv_relay_peer(&relay->destinations, program ? RELAY_PROGRAM : RELAY_LOCAL);
	if (place)
		msv_relay_peer_works(&relay->destinations, place, LOCAL_PLACES);
	if (!place)
		msv_relay_work_put_back(work);
	else if (place->sessions < place->limit)
		msv_relay_local_start(relay, place, work);
	else
		put_back(work);
}

static void begin_remote(struct msv_relay *relay, struct relay_work *work)
{
	struct relay_peer *destination =
	    msv_relay_peer(&relay->destinations, work->delivery->destination);
	struct relay_session *idle =
	    destination ? msv_relay_session_idle(relay, destination) : NULL;
	if (!destination) {
		msv_relay_work_put_back(work);
	} else if (idle) {
		msv_relay_session_use(idle, work);
	} else if (destination->sessions >= destination->limit) {
		put_back(work); /* it was full since it was asked for */
	} else if (relay->places < relay->connections) {
		msv_relay_session_start(relay, destination, work);
	} else {
		relay->held = work;
		idle = msv_relay_session_idle(relay, NULL);
		if (idle && !msv_relay_session_quitting(relay))
			msv_relay_session_quit(idle);
	}
}

static void begin(struct msv_relay *relay, struct relay_work *work)
{
	if (relay->paused)
		put_back(work);
	else if (work->delivery->kind == MSV_QUEUE_REMOTE)
		begin_remote(relay, work);
	else
		begin_local(relay, work);
}

static void on_taken(void *user, int error, const void *result)
{
	struct msv_relay *relay = user;
	struct queue_delivery *delivery = (struct queue_delivery *)(uintptr_t)result;
	struct relay_work *work = NULL;
	relay->taking = NULL;
	if (error || !delivery)
		relay->dry = true;
	else
		work = msv_relay_work_new(relay, delivery);
	if (work)
		begin(relay, work);
	msv_relay_look(relay);
}

static void sleep_until(struct msv_relay *relay, uint64_t at)
{
	uint64_t now = msv_relay_now(relay);
	uint64_t wait = at > now ? at - now : 0;
	if (relay->dry && wait < ASK_AGAIN)
		wait = ASK_AGAIN;
	if (wait > SLEEP_MAX)
		wait = SLEEP_MAX;
	relay->dry = false;
	msv_timer_start(relay->timer, msv_env_now(relay->env) + (wait + 999) / 1000);
}

static void take(struct msv_relay *relay)
{
	struct queue_take_op op = { msv_op_new(relay->env, on_taken, relay) };
	if (!op.op) {
		relay->dry = true;
		sleep_until(relay, 0);
		return;
	}
	relay->taking = op.op;
	msv_queue_take(relay->queue, NULL, relay->transaction_recipients, op);
}

/* A place is free, or one that only waits can be given up. */
static bool has_room(struct msv_relay *relay)
{
	return relay->places < relay->connections || msv_relay_session_idle(relay, NULL);
}

static void look_now(struct msv_task *task)
{
	struct msv_relay *relay =
	    (struct msv_relay *)(void *)((char *)task - offsetof(struct msv_relay, task));
	if (relay->held && (relay->paused || has_room(relay))) {
		struct relay_work *held = relay->held;
		relay->held = NULL;
		begin(relay, held);
	}
	if (relay->paused || relay->taking || relay->held || !has_room(relay))
		return;
	uint64_t next = msv_queue_next(relay->queue);
	if (!relay->dry && next <= msv_relay_now(relay))
		take(relay);
	else if (next != UINT64_MAX || relay->dry)
		sleep_until(relay, next);
}

static void on_due(void *user)
{
	struct msv_relay *relay = user;
	relay->dry = false;
	msv_relay_look(relay);
}

static void on_forgiven(void *user, struct relay_peer *destination)
{
	msv_relay_place_update(user, destination);
}

static void on_retry(void *user)
{
	struct msv_relay *relay = user;
	msv_relay_peers_forgive(&relay->hosts, NULL, NULL);
	msv_relay_peers_forgive(&relay->destinations, on_forgiven, relay);
}

static void on_timer(void *user)
{
	msv_relay_look(user);
}

/* -- The whole ---------------------------------------------------------------------------------- */

void msv_relay_pause(struct msv_relay *relay, bool pause)
{
	struct relay_session *idle;
	relay->paused = pause;
	while (pause && (idle = msv_relay_session_idle(relay, NULL)))
		msv_relay_session_quit(idle);
	msv_relay_look(relay);
}

bool msv_relay_paused(const struct msv_relay *relay)
{
	return relay->paused;
}

void msv_relay_set_trace(
    struct msv_relay *relay, void (*line)(void *user, const char *line), void *user)
{
	relay->trace = line;
	relay->trace_user = user;
}

void msv_relay_set_aliases(struct msv_relay *relay, struct msv_aliases *aliases)
{
	if (aliases)
		msv_aliases_ref(aliases);
	msv_aliases_unref(relay->aliases);
	relay->aliases = aliases;
}

static int copy_addresses(struct msv_relay *relay, const struct msv_mta_options *options)
{
	size_t n = options->nown_addresses;
	relay->own_addresses = msv_alloc(relay->env, (n + 1) * sizeof *relay->own_addresses);
	if (!relay->own_addresses)
		return MSV_ERR_NOMEM;
	for (; relay->nown_addresses < n; relay->nown_addresses++) {
		size_t i = relay->nown_addresses;
		relay->own_addresses[i] = msv_strdup(relay->env, options->own_addresses[i]);
		if (!relay->own_addresses[i])
			return MSV_ERR_NOMEM;
	}
	return 0;
}

static uint32_t or_else(uint32_t given, uint32_t usual)
{
	return given ? given : usual;
}

static void copy_limits(struct msv_relay *relay, const struct msv_mta_options *options)
{
	uint32_t warn_s = or_else(options->warn_s, 14400);
	relay->schedule = (struct queue_schedule){
		.first_s = or_else(options->retry_first_s, 300),
		.longest_s = or_else(options->retry_longest_s, 14400),
		.lifetime_s = or_else(options->lifetime_s, 345600),
		.warn_s = warn_s == UINT32_MAX ? UINT64_MAX : warn_s,
	};
	relay->host_connections = or_else(options->host_connections, 10);
	relay->destination_connections = or_else(options->destination_connections, 20);
	relay->connections = or_else(options->connections, 100);
	relay->connection_messages = or_else(options->connection_messages, 100);
	relay->transaction_recipients = or_else(options->transaction_recipients, 100);
}

static int copy_options(struct msv_relay *relay, const struct msv_mta_options *options)
{
	relay->auth = options->auth;
	relay->store = options->store;
	relay->queue = options->queue;
	relay->transport = options->transport;
	relay->dns = options->dns;
	relay->programs = options->programs;
	relay->hostname =
	    msv_strdup(relay->env, options->hostname ? options->hostname : "localhost");
	relay->spool = msv_strdup(relay->env, options->spool ? options->spool : "/tmp");
	if (!relay->hostname || !relay->spool)
		return MSV_ERR_NOMEM;
	copy_limits(relay, options);
	int error = copy_addresses(relay, options);
	return error ? error : msv_relay_routes_init(relay, options);
}

static int name_destination(void *user, const char *domain, char *out, size_t room)
{
	char name[RELAY_DESTINATION_SIZE];
	int error = msv_relay_destination(user, domain, name);
	if (error)
		return error;
	if (strlen(name) >= room)
		return MSV_ERR_LIMIT;
	memcpy(out, name, strlen(name) + 1);
	return 0;
}

static int open_queue(struct msv_relay *relay)
{
	uint32_t places = relay->destination_connections;
	int error = msv_relay_peers_init(
	    &relay->destinations, relay->env, places < UNTRIED ? places : UNTRIED);
	if (!error)
		error = msv_relay_peers_init(&relay->hosts, relay->env, relay->host_connections);
	if (!error)
		error = msv_timer_new(relay->env, on_timer, relay, &relay->timer);
	relay->spare = msv_alloc(relay->env, relay->transaction_recipients * sizeof *relay->spare);
	if (!error && !relay->spare)
		error = MSV_ERR_NOMEM;
	if (!error)
		error = msv_queue_rename_destinations(relay->queue, name_destination, relay);
	if (error)
		return error;
	msv_queue_on_due(relay->queue, on_due, relay);
	msv_queue_on_retry(relay->queue, on_retry, relay);
	msv_relay_look(relay);
	return 0;
}

int msv_relay_new(struct msv_env *env, const struct msv_mta_options *options,
    const struct relay_hooks *hooks, struct msv_relay **out)
{
	if (options->queue && (!options->transport || !options->dns))
		return MSV_ERR_INVAL;
	struct msv_relay *relay = msv_alloc(env, sizeof *relay);
	if (!relay)
		return MSV_ERR_NOMEM;
	relay->env = env;
	msv_env_ref(env);
	relay->task.fn = look_now;
	if (hooks)
		relay->hooks = *hooks;
	int error = copy_options(relay, options);
	if (!error && relay->queue)
		error = open_queue(relay);
	if (error) {
		msv_relay_free(relay);
		return error;
	}
	*out = relay;
	return 0;
}

void msv_relay_free(struct msv_relay *relay)
{
	if (!relay)
		return;
	struct msv_env *env = relay->env;
	/* Nothing of it runs while it is taken apart. */
	msv_env_enter(env);
	if (relay->queue) {
		msv_queue_on_due(relay->queue, NULL, NULL);
		msv_queue_on_retry(relay->queue, NULL, NULL);
	}
	if (relay->taking)
		msv_op_cancel(relay->taking);
	msv_relay_sessions_free(relay);
	msv_relay_locals_free(relay);
	while (relay->works)
		msv_relay_work_drop(relay->works);
	msv_env_undefer(env, &relay->task);
	msv_timer_free(relay->timer);
	msv_relay_peers_fini(&relay->destinations);
	msv_relay_peers_fini(&relay->hosts);
	msv_relay_routes_fini(relay);
	for (size_t i = 0; i < relay->nown_addresses; i++)
		msv_free(env, relay->own_addresses[i]);
	msv_free(env, relay->own_addresses);
	msv_aliases_unref(relay->aliases);
	msv_free(env, relay->hostname);
	msv_free(env, relay->spool);
	msv_free(env, relay->spare);
	msv_free(env, relay);
	msv_env_leave(env);
	msv_env_unref(env);
}
