/* smtp_sink [PORT]: prints all mail sent to 127.0.0.1 (port 1025), a client at a time. */
#include <arpa/inet.h>
#include <mailserv/mailserv.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static int body(void *user, struct msv_conn *conn, const void *p, size_t n)
{
	(void)user, (void)conn;
	return fwrite(p, 1, n, stdout) == n ? 0 : MSV_ERR_IO;
}

static void done(void *user, struct msv_conn *conn, struct msv_reply_op op)
{
	(void)user, (void)conn;
	msv_op_answer(op.op, puts("-- end of message --") < 0 || fflush(stdout) ? MSV_ERR_IO : 0);
}

/* Moves bytes between the socket and the conn until that wants to be closed. */
static void serve(struct msv_conn *conn, int fd)
{
	struct pollfd ready = { .fd = fd, .events = POLLIN };
	char buf[4096];

	for (const void *p; !(msv_conn_want(conn) & MSV_WANT_CLOSE); msv_conn_tick(conn)) {
		for (size_t n; (n = msv_conn_output(conn, &p)) > 0; msv_conn_sent(conn, n))
			if (send(fd, p, n, MSG_NOSIGNAL) < 0)
				msv_conn_eof(conn, MSV_ERR_IO);
		if (poll(&ready, 1, 1000) <= 0)
			continue;
		ssize_t n = read(fd, buf, sizeof(buf));
		n > 0 ? msv_conn_input(conn, buf, (size_t)n)
		      : msv_conn_eof(conn, n ? MSV_ERR_IO : 0);
	}
	msv_conn_free(conn);
}

int main(int argc, char **argv)
{
	struct msv_smtp_handler handler = { .size = sizeof(handler), .body = body, .done = done };
	struct msv_smtp_config config = { .size = sizeof(config), .handler = &handler };
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)(argc > 1 ? atoi(argv[1]) : 1025)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct msv_env *env;
	struct msv_conn *conn;
	int fd, listener = socket(AF_INET, SOCK_STREAM, 0);

	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) || listen(listener, 16) ||
	    msv_env_new(NULL, &env))
		return perror("smtp_sink"), 1;
	for (; (fd = accept(listener, NULL, NULL)) >= 0; close(fd))
		if (!msv_smtp_server_new(env, &config, NULL, &conn))
			serve(conn, fd);
}
