/* imap_memory [PORT]: an IMAP server over mail kept in memory, with plain sockets
 * and poll(), on 127.0.0.1 (port 1143).  Whoever says "secret" may log in, in the
 * clear: for trying things out.  Only the loop is this program's own. */
#include <arpa/inet.h>
#include <mailserv/mailserv.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX = 64 };

static struct msv_conn *conns[MAX];
static struct pollfd fds[MAX + 1]; /* the last one listens */

static void verify(void *self, const struct msv_auth_question *q, struct msv_auth_op op)
{
	struct msv_account account = { .size = sizeof(account), .name = q->user };

	(void)self;
	if (strcmp(q->password, "secret") == 0 && msv_account_name_valid(q->user))
		msv_auth_answer(op, &account);
	else
		msv_op_answer(op.op, MSV_ERR_AUTH);
}

static void greet(struct msv_env *env, const struct msv_imap_config *config)
{
	int i = 0, fd = accept(fds[MAX].fd, NULL, NULL);

	while (i < MAX && conns[i])
		i++;
	if (i == MAX || msv_imap_server_new(env, config, NULL, &conns[i]))
		close(fd);
	else
		fds[i].fd = fd;
}

/* Moves bytes between a socket and its conn. */
static void serve(struct msv_conn **conn, struct pollfd *fd)
{
	char buf[16384];
	const void *p;

	if (fd->revents & (POLLIN | POLLHUP | POLLERR) && msv_conn_want(*conn) & MSV_WANT_READ) {
		ssize_t n = read(fd->fd, buf, sizeof(buf));
		if (n > 0)
			msv_conn_input(*conn, buf, (size_t)n);
		else
			msv_conn_eof(*conn, n ? MSV_ERR_IO : 0);
	}
	msv_conn_tick(*conn);
	size_t ready = msv_conn_output(*conn, &p);
	ssize_t sent = ready ? send(fd->fd, p, ready, MSG_NOSIGNAL | MSG_DONTWAIT) : 0;
	if (sent > 0)
		msv_conn_sent(*conn, (size_t)sent);
	unsigned want = msv_conn_want(*conn);
	fd->events =
	    (short)((want & MSV_WANT_READ ? POLLIN : 0) | (want & MSV_WANT_WRITE ? POLLOUT : 0));
	if (want & MSV_WANT_CLOSE) {
		msv_conn_free(*conn);
		*conn = NULL;
		close(fd->fd);
	}
}

int main(int argc, char **argv)
{
	struct msv_env *env;
	struct msv_memory_store *memory;
	struct msv_auth auth = { .size = sizeof(auth), .verify = verify };
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)(argc > 1 ? atoi(argv[1]) : 1143)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int one = 1, listener = socket(AF_INET, SOCK_STREAM, 0);

	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) || listen(listener, 16) ||
	    msv_env_new(NULL, &env) || msv_memory_store_new(env, NULL, &memory))
		return perror("imap_memory"), 1;
	struct msv_imap_config config = { .size = sizeof(config),
		.auth = &auth,
		.store = msv_memory_store(memory),
		.login_in_clear = true };
	fds[MAX] = (struct pollfd){ .fd = listener, .events = POLLIN };
	for (;;) {
		for (int i = 0; i < MAX; i++) {
			fds[i].fd = conns[i] ? fds[i].fd : -1;
			if (conns[i])
				serve(&conns[i], &fds[i]);
		}
		poll(fds, MAX + 1, msv_env_tick(env) <= msv_env_now(env) ? 0 : 200);
		if (fds[MAX].revents)
			greet(env, &config);
	}
}
