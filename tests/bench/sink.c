/*
 * sink: takes all mail on a port of the loopback interface and throws it away.
 *
 *	sink PORT COUNTS
 *
 * COUNTS is a file of two 64-bit numbers in this machine's order, kept up to
 * date: messages taken, and recipients of these.  Runs until it is killed.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

struct session {
	int fd;
	bool data;         /* a body comes */
	unsigned end;      /* octets of CRLF.CRLF seen */
	uint64_t accepted; /* recipients */
	char line[4096];
	size_t nline;
	char out[65536];
	size_t nout;
	bool over;
};

static int loop;
static volatile uint64_t *counts;

static void die(const char *what)
{
	fprintf(stderr, "sink: %s: %s\n", what, strerror(errno));
	exit(2);
}

/* -- Replies ------------------------------------------------------------------- */

static void say(struct session *s, const char *text)
{
	size_t n = strlen(text);

	if (s->nout + n > sizeof(s->out)) {
		s->over = true;
		return;
	}
	memcpy(s->out + s->nout, text, n);
	s->nout += n;
}

/* Replies are small: a peer that does not take them is dropped. */
static void flush(struct session *s)
{
	if (s->nout && send(s->fd, s->out, s->nout, MSG_NOSIGNAL) != (ssize_t)s->nout)
		s->over = true;
	s->nout = 0;
}

static bool is(const struct session *s, const char *verb)
{
	return strncasecmp(s->line, verb, strlen(verb)) == 0;
}

static void take_command(struct session *s)
{
	if (is(s, "EHLO") || is(s, "LHLO")) {
		say(s, "250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES\r\n");
	} else if (is(s, "RCPT")) {
		s->accepted++;
		say(s, "250 2.1.5 ok\r\n");
	} else if (is(s, "DATA")) {
		s->data = true;
		s->end = 2; /* the line before the first one is over */
		say(s, "354 go on\r\n");
	} else if (is(s, "QUIT")) {
		say(s, "221 2.0.0 bye\r\n");
		flush(s);
		s->over = true;
	} else {
		if (is(s, "MAIL") || is(s, "RSET"))
			s->accepted = 0;
		say(s, "250 2.0.0 ok\r\n");
	}
}

/* -- Input ------------------------------------------------------------------------ */

static size_t take_line(struct session *s, const char *p, size_t n)
{
	const char *lf = memchr(p, '\n', n);
	size_t len = lf ? (size_t)(lf - p) + 1 : n;

	if (s->nline + len >= sizeof(s->line)) {
		s->over = true;
		return n;
	}
	memcpy(s->line + s->nline, p, len);
	s->nline += len;
	if (lf) {
		s->line[s->nline] = '\0';
		s->nline = 0;
		take_command(s);
	}
	return len;
}

/* Up to behind CRLF.CRLF. */
static size_t take_body(struct session *s, const char *p, size_t n)
{
	static const char end[] = "\r\n.\r\n";

	for (size_t i = 0; i < n; i++) {
		if (s->end == 0) {
			const char *cr = memchr(p + i, '\r', n - i);
			if (!cr)
				return n;
			i = (size_t)(cr - p);
		}
		if (p[i] == end[s->end])
			s->end++;
		else
			s->end = p[i] == '\r';
		if (s->end < 5)
			continue;
		s->data = false;
		counts[1] += s->accepted;
		counts[0]++;
		s->accepted = 0;
		say(s, "250 2.0.0 taken\r\n");
		return i + 1;
	}
	return n;
}

static void take_input(struct session *s)
{
	static char buf[65536];
	ssize_t got = recv(s->fd, buf, sizeof(buf), 0);
	size_t done = 0, n = got > 0 ? (size_t)got : 0;

	if (got < 0 && errno == EAGAIN)
		return;
	s->over = got <= 0;
	while (done < n && !s->over)
		done += s->data ? take_body(s, buf + done, n - done)
		                : take_line(s, buf + done, n - done);
	flush(s);
}

/* -- All of them --------------------------------------------------------------------- */

static void take_client(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK), on = 1;
	struct session *s = fd < 0 ? NULL : calloc(1, sizeof(*s));
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = s };

	if (!s || epoll_ctl(loop, EPOLL_CTL_ADD, fd, &event) < 0)
		die("accept");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	s->fd = fd;
	say(s, "220 sink\r\n");
	flush(s);
}

static int listen_on(const char *port)
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)atoi(port)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct epoll_event event = { .events = EPOLLIN };
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(fd, 1024) < 0 ||
	    epoll_ctl(loop, EPOLL_CTL_ADD, fd, &event) < 0)
		die("listen");
	return fd;
}

static void map_counts(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT, 0600);

	if (fd < 0 || ftruncate(fd, 16) < 0)
		die(path);
	counts = mmap(NULL, 16, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (counts == MAP_FAILED)
		die(path);
	close(fd);
}

int main(int argc, char **argv)
{
	struct epoll_event events[64];
	int listener;

	if (argc != 3) {
		fprintf(stderr, "usage: sink PORT COUNTS\n");
		return 2;
	}
	map_counts(argv[2]);
	loop = epoll_create1(0);
	listener = listen_on(argv[1]);
	for (;;) {
		int n = epoll_wait(loop, events, 64, -1);
		for (int i = 0; i < n; i++) {
			struct session *s = events[i].data.ptr;
			if (!s) {
				take_client(listener);
				continue;
			}
			take_input(s);
			if (s->over) {
				close(s->fd);
				free(s);
			}
		}
	}
}
