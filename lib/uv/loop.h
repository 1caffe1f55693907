/* What the files of libmailserv-uv share. */
#ifndef MSV_UV_LOOP_H
#define MSV_UV_LOOP_H

#include <mailserv/uv.h>
#include <sys/socket.h>

/* -- Rings ------------------------------------------------------------------- */

/* A place in a ring, embedded in its owner; the head is one too. */
struct msv_uv_node {
	struct msv_uv_node *next, *prev;
};

static inline void msv_uv_ring_init(struct msv_uv_node *node)
{
	node->next = node->prev = node;
}

static inline bool msv_uv_ring_empty(const struct msv_uv_node *head)
{
	return head->next == head;
}

/* Takes a node out of the ring it is in, if any. */
static inline void msv_uv_ring_remove(struct msv_uv_node *node)
{
	node->next->prev = node->prev;
	node->prev->next = node->next;
	msv_uv_ring_init(node);
}

/* Puts a node that is in no ring at the end. */
static inline void msv_uv_ring_add(struct msv_uv_node *head, struct msv_uv_node *node)
{
	node->next = head;
	node->prev = head->prev;
	head->prev->next = node;
	head->prev = node;
}

#define msv_uv_owner(node, type, member) ((type *)((char *)(node)-offsetof(type, member)))

/* -- loop.c: the env on the loop ------------------------------------------------ */

/* One lane of jobs (jobs.c). */
struct msv_uv_runner;

struct msv_uv_lane {
	struct msv_uv *uv;
	struct msv_uv_runner *runners, *idle; /* all, and those without a thread */
	unsigned running;
	/* Under the mutex of the jobs. */
	struct msv_uv_node waiting;
	uint64_t average_ns; /* a job's time, of late */
};

struct msv_uv {
	uv_loop_t *loop;
	struct msv_env *env;
	void (*log)(void *user, enum msv_log_level level, const char *line);
	void *log_user;

	/* A turn is taken right before the loop waits and right after. */
	uv_prepare_t prepare;
	uv_check_t check;
	uv_idle_t idle; /* active: something is to be done, do not wait */
	uv_timer_t timer, drain_timer;
	bool tick; /* the env wants a tick */

	struct msv_uv_lane lanes[MSV_LANE_COUNT];
	uv_mutex_t jobs_mutex;
	struct msv_uv_node jobs_done; /* under the mutex: to be handed back */
	uv_async_t jobs_async;
	uv_timer_t jobs_timer; /* while jobs wait behind others */
	struct msv_uv_node watches, listeners, resolvers;
	struct msv_uv_node links; /* all connections, oldest first */
	struct msv_uv_node dirty; /* those that want attention in this turn */
	size_t nlinks;
	bool starved;          /* descriptors ran out a moment ago */
	uint64_t starved_said; /* when that was logged */

	/* What keeps this struct: handles not closed yet, jobs under way, and
	 * whatever else holds a reference.  The handles above are not counted. */
	size_t refs;
	unsigned own_handles;
	bool freed;   /* msv_uv_free() was called */
	bool closing; /* and the handles above are being closed */

	void (*drained)(void *user);
	void *drained_user;
	bool draining;

	struct msv_transport transport;

	char buffer[65536]; /* for every read */
};

/* n zeroed bytes of the env's allocator, or NULL; and back. */
void *msv_uv_alloc(struct msv_uv *uv, size_t n);
void msv_uv_release(struct msv_uv *uv, void *p);
char *msv_uv_strdup(struct msv_uv *uv, const char *s);

void msv_uv_ref(struct msv_uv *uv);
void msv_uv_unref(struct msv_uv *uv);

/* Takes a turn soon: the loop does not wait before it. */
void msv_uv_hurry(struct msv_uv *uv);

/* -- jobs.c ------------------------------------------------------------------------ */

/* Lanes and threads: 0 or MSV_ERR_NOMEM. */
int msv_uv_jobs_init(struct msv_uv *uv, const unsigned *width);
/* Handles on the loop, which it closes with its own: 0 or MSV_ERR_IO. */
int msv_uv_jobs_open(struct msv_uv *uv);
void msv_uv_jobs_fini(struct msv_uv *uv);
/* For struct msv_env_options; user is the uv. */
int msv_uv_offload(void *user, enum msv_lane lane, struct msv_job *job);

/* -- watch.c ------------------------------------------------------------------------ */

/* For struct msv_env_options; user is the uv. */
int msv_uv_watch_start(void *user, const char *path, struct msv_watch *watch, void **handle);
void msv_uv_watch_stop(void *user, void *handle);
/* Stops all; their owners may still call msv_uv_watch_stop() until the env is
 * let go. */
void msv_uv_watches_close(struct msv_uv *uv);
/* Frees what is left of them after that. */
void msv_uv_watches_free(struct msv_uv *uv);

/* -- link.c: one connection ----------------------------------------------------------- */

struct msv_uv_entrance;
struct msv_uv_listener;

struct msv_uv_link {
	struct msv_uv_node all, dirty;
	struct msv_uv *uv;
	uv_stream_t *stream;
	union {
		uv_tcp_t tcp;
		uv_pipe_t pipe;
	} own; /* the stream, when a listener accepted it or it was connected */
	uv_timer_t timer;
	struct msv_conn *conn; /* NULL before the session begins and after it ended */

	void (*closed)(void *user, uv_stream_t *stream);
	void (*gone)(void *user); /* the conn is about to be freed; NULL */
	void *user;

	/* For links of a listener: its counts, and what comes before the session. */
	struct msv_uv_listener *listener;
	struct msv_uv_seat *seat;
	struct msv_uv_entrance *entrance;

	struct msv_uv_attempt *attempt; /* while it is being connected */

	struct msv_uv_write *write; /* under way */
	uv_shutdown_t shutdown;
	uint64_t deadline; /* what the timer is set to */
	size_t discarded;  /* while lingering */
	bool reading, lingering, closing;
	bool peer_done;   /* it sends no more, or the connection broke */
	bool turned_away; /* it only gets a goodbye */
	unsigned char open_handles;
};

/* A link without a stream yet; NULL: no memory, or the uv was freed. */
struct msv_uv_link *msv_uv_link_new(struct msv_uv *uv);
/* Gives it an initialized stream, which it closes in the end.  From now on it
 * counts, and goes by msv_uv_link_close(). */
void msv_uv_link_open(struct msv_uv_link *link, uv_stream_t *stream);
/* The session begins; the conn is the link's. */
void msv_uv_link_start(struct msv_uv_link *link, struct msv_conn *conn);
/* Wants attention in this turn. */
void msv_uv_link_touch(struct msv_uv_link *link);
/* Gives it attention: timers, output, reading or not, the end. */
void msv_uv_link_settle(struct msv_uv_link *link);
/* Closes now: frees the conn, nothing more is sent. */
void msv_uv_link_close(struct msv_uv_link *link);

/* -- entrance.c: before the session ------------------------------------------------------ */

/* PROXY header and host name, where the listener wants them; then asks for a
 * conn and starts it.  The link is of a listener and open.  peer: who
 * connected. */
void msv_uv_enter(struct msv_uv_link *link, const struct sockaddr *peer);
/* The link is closed before its session began. */
void msv_uv_entrance_free(struct msv_uv_entrance *entrance);

/* -- connect.c: outgoing connections -------------------------------------------------------- */

void msv_uv_transport_init(struct msv_uv *uv);
/* The link is closed before it was connected. */
void msv_uv_attempt_over(struct msv_uv_attempt *attempt);

/* -- listener.c ---------------------------------------------------------------------------- */

struct msv_uv_listener {
	struct msv_uv_node node;
	struct msv_uv *uv;
	uv_poll_t poll;
	uv_timer_t timer; /* while paused */
	unsigned open_handles;
	size_t refs; /* one for its handles, one for each link */
	bool closed;
	bool paused; /* no descriptors are left */
	int fd;

	char *path; /* of the unix socket it made */
	uint64_t path_dev, path_ino;
	uint16_t port;

	unsigned max_connections, max_per_address;
	unsigned count;        /* links that are open */
	unsigned turned_away;  /* those of them that only get a goodbye */
	uint64_t crowded_said; /* when it was logged that there are too many */
	struct msv_uv_seats *seats;
	struct msv_uv_network *proxies;
	size_t nproxies;
	uint32_t proxy_timeout_ms;
	struct msv_uv_resolver *resolver;
	struct msv_conn *(*accept)(void *user, const struct msv_peer *peer);
	void *user;
};

void msv_uv_listener_unref(struct msv_uv_listener *listener);
/* A link of it is closed: its counts go down, and a descriptor is free. */
void msv_uv_listener_leave(struct msv_uv_listener *listener, struct msv_uv_link *link);

/* -- socket.c -------------------------------------------------------------------------------- */

/* What errno of socket(), bind() ... means. */
int msv_uv_socket_error(int err);
/* Device and inode of a unix socket, to recognize it; false: not there. */
bool msv_uv_socket_identity(const char *path, uint64_t *dev, uint64_t *ino);
void msv_uv_socket_remove(const char *path, uint64_t dev, uint64_t ino);

/* -- address.c --------------------------------------------------------------------------------- */

/* "192.0.2.1" and the port; IPv4 mapped into IPv6 is IPv4.  Any other family:
 * "" and 0. */
void msv_uv_address_text(const struct sockaddr *sa, char text[46], uint16_t *port);
/* The same for an address in text. */
void msv_uv_address_unmap(char text[46]);
/* The address and port of our end of a stream; "" and 0 for a unix socket. */
void msv_uv_address_local(uv_stream_t *stream, char text[46], uint16_t *port);
/* The bytes of an address of either family; their number, or 0. */
size_t msv_uv_address_bytes(const char *text, unsigned char bytes[16]);

/* Addresses that share their first `bits` bits, of 4 or 16 bytes; n 0: unix
 * sockets. */
struct msv_uv_network {
	unsigned char bytes[16];
	size_t n;
	unsigned bits;
};

/* "192.0.2.0/24", "::1", "unix".  0 or MSV_ERR_INVAL. */
int msv_uv_network_parse(const char *text, struct msv_uv_network *out);
/* address "" is a unix socket's. */
bool msv_uv_network_has(const struct msv_uv_network *network, const char *address);

/* -- seats.c: how many from each address ----------------------------------------------------------- */

struct msv_uv_seats;
struct msv_uv_seat;

struct msv_uv_seats *msv_uv_seats_new(struct msv_uv *uv);
void msv_uv_seats_free(struct msv_uv_seats *seats);
/* Takes a seat for an address (IPv6: for its /64); *count is how many are taken
 * now, this one included.  NULL: no memory. */
struct msv_uv_seat *msv_uv_seat_take(
    struct msv_uv_seats *seats, const char *address, unsigned *count);
void msv_uv_seat_leave(struct msv_uv_seats *seats, struct msv_uv_seat *seat);

/* -- resolver.c: libunbound -------------------------------------------------------------------------- */

struct ub_result;

struct msv_uv_resolver {
	struct msv_uv_node node;
	struct msv_uv *uv;
	struct ub_ctx *ctx;
	uv_poll_t poll;
	uint32_t timeout_ms, query_timeout_ms;
	struct msv_uv_node asks; /* under way */
	struct msv_dns dns;
	bool closed;
};

/* Somebody who asks, one question after the other, within a time limit. */
struct msv_uv_ask {
	struct msv_uv_node node;
	struct msv_uv *uv;
	struct msv_uv_resolver *resolver; /* until it is over */
	uv_timer_t timer;
	int id;      /* the question under way */
	bool asking; /* there is one */
	bool over;
	/* An answer, or what became of the question instead (result NULL).  Asks the
	 * next or ends. */
	void (*answered)(struct msv_uv_ask *ask, int error, const struct ub_result *result);
	/* Nothing comes any more: MSV_ERR_TIMEOUT, MSV_ERR_CANCELED.  Ends. */
	void (*failed)(struct msv_uv_ask *ask, int error);
};

/* A struct of n bytes that begins with an ask, its time running; NULL: no memory,
 * or the resolver is closed. */
void *msv_uv_ask_new(struct msv_uv_resolver *resolver, size_t n, uint32_t timeout_ms);
/* Asks for records of a name.  0 or MSV_ERR_NOMEM. */
int msv_uv_ask(struct msv_uv_ask *ask, const char *name, int type);
/* Nothing is under way any more; it is freed after this turn. */
void msv_uv_ask_end(struct msv_uv_ask *ask);
/* msv_uv_free() does away with a resolver. */
void msv_uv_resolver_close(struct msv_uv_node *node);

/* -- dns.c: questions of others ------------------------------------------------------------------------ */

/* Fills resolver->dns. */
void msv_uv_dns_init(struct msv_uv_resolver *resolver);

#endif
