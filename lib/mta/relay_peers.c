/* What is remembered of destinations and addresses: how many sessions there
 * are, how many may be, and until when to leave them alone. */
#include <string.h>

#include "mta/relay_parts.h"

#define BUCKETS   ((size_t)1024)
#define PEERS_MAX ((size_t)4096)
/* Left alone after the first failure, then twice as long each time. */
#define FIRST     (60 * SECOND)
#define LONGEST   (3600 * SECOND)
/* As many messages taken without complaint allow one session more. */
#define GOOD      20

int msv_relay_peers_init(struct relay_peers *peers, struct msv_env *env, unsigned limit)
{
	*peers = (struct relay_peers){ .env = env, .limit = limit };
	int error = msv_env_random(env, &peers->seed, sizeof peers->seed);
	if (error)
		return error;
	peers->buckets = msv_alloc(env, BUCKETS * sizeof *peers->buckets);
	return peers->buckets ? 0 : MSV_ERR_NOMEM;
}

static size_t bucket_of(const struct relay_peers *peers, const char *name)
{
	uint32_t hash = peers->seed;
	for (; *name; name++) {
		hash = (hash ^ (unsigned char)*name) * 16777619u;
		hash ^= hash >> 15;
	}
	return hash % BUCKETS;
}

static void unlink_use(struct relay_peers *peers, struct relay_peer *peer)
{
	*(peer->older ? &peer->older->newer : &peers->oldest) = peer->newer;
	*(peer->newer ? &peer->newer->older : &peers->newest) = peer->older;
}

static void link_use(struct relay_peers *peers, struct relay_peer *peer)
{
	peer->newer = NULL;
	peer->older = peers->newest;
	*(peers->newest ? &peers->newest->newer : &peers->oldest) = peer;
	peers->newest = peer;
}

static void forget(struct relay_peers *peers, struct relay_peer *peer)
{
	struct relay_peer **at = &peers->buckets[bucket_of(peers, peer->name)];
	while (*at != peer)
		at = &(*at)->next;
	*at = peer->next;
	unlink_use(peers, peer);
	peers->n--;
	msv_free(peers->env, peer->name);
	msv_free(peers->env, peer->reason);
	msv_free(peers->env, peer);
}

/* The one not used for longest goes; those in use are few and recent. */
static void make_room(struct relay_peers *peers)
{
	struct relay_peer *peer = peers->oldest;
	while (peer && peer->sessions)
		peer = peer->newer;
	if (peer)
		forget(peers, peer);
}

void msv_relay_peers_fini(struct relay_peers *peers)
{
	while (peers->oldest)
		forget(peers, peers->oldest);
	msv_free(peers->env, peers->buckets);
	peers->buckets = NULL;
}

static struct relay_peer *add(struct relay_peers *peers, const char *name)
{
	struct relay_peer *peer = msv_alloc(peers->env, sizeof *peer);
	struct relay_peer **bucket = &peers->buckets[bucket_of(peers, name)];
	if (!peer)
		return NULL;
	peer->name = msv_strdup(peers->env, name);
	if (!peer->name) {
		msv_free(peers->env, peer);
		return NULL;
	}
	if (peers->n == PEERS_MAX)
		make_room(peers);
	peer->limit = peers->limit;
	peer->next = *bucket;
	*bucket = peer;
	link_use(peers, peer);
	peers->n++;
	return peer;
}

struct relay_peer *msv_relay_peer(struct relay_peers *peers, const char *name)
{
	struct relay_peer *peer = peers->buckets[bucket_of(peers, name)];
	while (peer && strcmp(peer->name, name) != 0)
		peer = peer->next;
	if (!peer)
		return add(peers, name);
	unlink_use(peers, peer);
	link_use(peers, peer);
	return peer;
}

bool msv_relay_peer_blocked(const struct relay_peers *peers, const struct relay_peer *peer)
{
	return peer->blocked > msv_env_realtime(peers->env);
}

void msv_relay_peer_failed(struct relay_peers *peers, struct relay_peer *peer, const char *reason)
{
	uint32_t random = 0;
	/* Sessions that were begun together fail together: that is one failure. */
	if (msv_relay_peer_blocked(peers, peer))
		return;
	uint64_t wait = FIRST << (peer->failures < 6 ? peer->failures : 6);
	if (wait > LONGEST)
		wait = LONGEST;
	if (msv_env_random(peers->env, &random, sizeof random) == 0)
		wait += wait / 8 * (random >> 16) / 65536;
	peer->failures++;
	peer->limit = 1; /* enough to see whether it is back */
	peer->crowded = false;
	peer->blocked = msv_env_realtime(peers->env) + wait;
	msv_free(peers->env, peer->reason);
	peer->reason = msv_strdup(peers->env, reason);
}

void msv_relay_peer_works(struct relay_peers *peers, struct relay_peer *peer, unsigned limit)
{
	peer->worked = msv_env_realtime(peers->env);
	peer->failures = 0;
	peer->blocked = 0;
	peer->attention = 0;
	msv_free(peers->env, peer->reason);
	peer->reason = NULL;
	if (!peer->crowded) {
		peer->limit = limit;
	} else if (++peer->good == GOOD) {
		peer->good = 0;
		peer->crowded = ++peer->limit < limit;
	}
}

void msv_relay_peers_forgive(
    struct relay_peers *peers, void (*told)(void *user, struct relay_peer *peer), void *user)
{
	for (struct relay_peer *peer = peers->oldest; peer; peer = peer->newer) {
		if (!peer->blocked)
			continue;
		peer->blocked = 0;
		if (told)
			told(user, peer);
	}
}

void msv_relay_peer_crowded(struct relay_peer *peer)
{
	unsigned others = peer->sessions ? peer->sessions - 1 : 0;
	peer->good = 0;
	peer->crowded = true;
	if (others < peer->limit)
		peer->limit = others ? others : 1;
}
