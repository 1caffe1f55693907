/*
 * load: sends messages to an SMTP or LMTP server on loopback and says how long it took.
 *
 *	load [-l] [-c CONNECTIONS] [-n MESSAGES] [-s SIZE] [-u USERS] [-r RECIPIENTS] [-d DOMAIN] PORT
 *
 * Each connection sends one message after the other, as a mail server with a
 * long queue does: pipelined where the server offers that, the next message
 * when the one before was answered.  Message i is for userJ@DOMAIN, J = i
 * modulo USERS, and for as many following ones as RECIPIENTS says.  Prints one
 * line of JSON; ends with status 1 when a message was not taken.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum phase { GREETING, HELLO, ENVELOPE, DATA, END, QUIT, OVER };

struct client {
	int fd;
	enum phase phase;
	bool pipelining;
	unsigned replies; /* that are still to come in this phase */
	unsigned next;    /* recipient to be named, without pipelining */
	unsigned message; /* number of the one under way */
	const char *out;  /* unsent */
	size_t nout;
	char line[1024]; /* of a reply, unfinished */
	size_t nline;
	char *command; /* room for an envelope */
	uint64_t since;
};

static bool lmtp;
static unsigned connections = 10, messages = 1000, users = 10, recipients = 1;
static size_t size = 4096;
static const char *domain = "example.org";

static char *body; /* the message and its end */
static size_t nbody;
static unsigned started, finished, refused, open_clients;
static uint32_t *taken_us; /* for each message */
static char refusal[1024];

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void die(const char *what)
{
	fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
	exit(2);
}

static void *room(size_t n)
{
	void *p = calloc(1, n);

	if (!p)
		die("memory");
	return p;
}

static void make_body(void)
{
	static const char head[] = "From: <sender@example.net>\r\nTo: <list@example.org>\r\n"
	                           "Subject: a message of the bench\r\n"
	                           "Message-ID: <bench@example.net>\r\n"
	                           "Date: Thu, 01 Jan 2026 00:00:00 +0000\r\n\r\n";
	size_t n = sizeof(head) - 1;

	body = room(size + sizeof(head) + 128);
	memcpy(body, head, n);
	while (n < size) {
		size_t line = size - n < 78 ? size - n : 78;
		if (line < 3)
			line = 3;
		memset(body + n, 'a' + (int)(n / 78 % 26), line - 2);
		memcpy(body + n + line - 2, "\r\n", 2);
		n += line;
	}
	memcpy(body + n, ".\r\n", 4);
	nbody = n + 3;
}

/* -- Sending ------------------------------------------------------------------- */

static int loop;

static void watch(struct client *c, bool writing)
{
	struct epoll_event event = { .events = EPOLLIN | (writing ? EPOLLOUT : 0), .data.ptr = c };

	if (epoll_ctl(loop, EPOLL_CTL_MOD, c->fd, &event) < 0)
		die("epoll_ctl");
}

static void flush(struct client *c)
{
	while (c->nout) {
		ssize_t n = send(c->fd, c->out, c->nout, MSG_NOSIGNAL);
		if (n < 0 && errno == EAGAIN) {
			watch(c, true);
			return;
		}
		if (n < 0)
			die("send");
		c->out += n;
		c->nout -= (size_t)n;
	}
}

static void say(struct client *c, const char *p, size_t n)
{
	bool waiting = c->nout > 0;

	c->out = p;
	c->nout = n;
	flush(c);
	if (waiting && !c->nout)
		watch(c, false);
}

static size_t put_rcpt(char *to, const struct client *c, unsigned i)
{
	return (size_t)sprintf(
	    to, "RCPT TO:<user%u@%s>\r\n", (c->message * recipients + i) % users, domain);
}

static void next_message(struct client *c)
{
	size_t n;

	if (started == messages) {
		c->phase = QUIT;
		c->replies = 1;
		say(c, "QUIT\r\n", 6);
		return;
	}
	c->message = started++;
	c->since = now_us();
	c->phase = ENVELOPE;
	n = (size_t)sprintf(c->command, "MAIL FROM:<sender@example.net>\r\n");
	c->replies = 1;
	c->next = 0;
	if (c->pipelining) {
		for (unsigned i = 0; i < recipients; i++)
			n += put_rcpt(c->command + n, c, i);
		n += (size_t)sprintf(c->command + n, "DATA\r\n");
		c->replies = recipients + 2;
	}
	say(c, c->command, n);
}

/* -- Replies ------------------------------------------------------------------- */

static void close_client(struct client *c)
{
	close(c->fd);
	c->phase = OVER;
	open_clients--;
}

static void refuse(struct client *c)
{
	refused++;
	snprintf(refusal, sizeof(refusal), "%s", c->line);
}

/* The envelope, a command after the other. */
static void step_envelope(struct client *c)
{
	if (c->next < recipients) {
		say(c, c->command, put_rcpt(c->command, c, c->next++));
		c->replies = 1;
	} else if (c->next++ == recipients) {
		say(c, "DATA\r\n", 6);
		c->replies = 1;
	}
}

static void phase_over(struct client *c)
{
	switch (c->phase) {
	case GREETING: {
		static const char ehlo[] = "EHLO bench.example.net\r\n", lhlo[] = "LHLO bench\r\n";
		c->phase = HELLO;
		c->replies = 1;
		if (lmtp)
			say(c, lhlo, sizeof(lhlo) - 1);
		else
			say(c, ehlo, sizeof(ehlo) - 1);
		break;
	}
	case HELLO:
		next_message(c);
		break;
	case ENVELOPE:
		if (!c->pipelining && c->next <= recipients) {
			step_envelope(c);
			break;
		}
		c->phase = END;
		c->replies = lmtp ? recipients : 1;
		say(c, body, nbody);
		break;
	case END:
		taken_us[c->message] = (uint32_t)(now_us() - c->since);
		finished++;
		next_message(c);
		break;
	default:
		close_client(c);
	}
}

/* A line of a reply. */
static void take_line(struct client *c)
{
	if (strstr(c->line, "PIPELINING"))
		c->pipelining = true;
	if (c->line[3] == '-')
		return;
	if (*c->line != '2' && *c->line != '3') {
		refuse(c);
		if (c->phase == ENVELOPE) {
			close_client(c);
			return;
		}
	}
	if (--c->replies == 0)
		phase_over(c);
}

static void take_input(struct client *c)
{
	char buf[16384];
	ssize_t n = recv(c->fd, buf, sizeof(buf), 0);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		refuse(c);
		close_client(c);
		return;
	}
	for (ssize_t i = 0; i < n && c->phase != OVER; i++) {
		if (c->nline < sizeof(c->line) - 1)
			c->line[c->nline++] = buf[i];
		if (buf[i] != '\n')
			continue;
		c->line[c->nline] = '\0';
		c->nline = 0;
		take_line(c);
	}
}

static void on_event(struct client *c, uint32_t events)
{
	if (events & EPOLLOUT) {
		flush(c);
		if (!c->nout)
			watch(c, false);
	}
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR) && c->phase != OVER)
		take_input(c);
}

/* -- All of them ----------------------------------------------------------------- */

static void open_client(struct client *c, unsigned port)
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = c };
	int on = 1;

	c->fd = socket(AF_INET, SOCK_STREAM, 0);
	if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		die("connect");
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	/* From here on nothing waits. */
	if (epoll_ctl(loop, EPOLL_CTL_ADD, c->fd, &event) < 0)
		die("epoll_ctl");
	c->command = room((size_t)(recipients + 2) * (strlen(domain) + 40));
	c->phase = GREETING;
	c->replies = 1;
	open_clients++;
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static uint32_t share(double part)
{
	return finished ? taken_us[(unsigned)((finished - 1) * part)] : 0;
}

static void report(uint64_t us)
{
	if (refused)
		fprintf(stderr, "load: %u refused, the last with: %s\n", refused, refusal);
	/* Those that were not sent have 0 and come first. */
	qsort(taken_us, messages, sizeof(*taken_us), by_value);
	memmove(taken_us, taken_us + (messages - finished), finished * sizeof(*taken_us));
	printf("{\"messages\": %u, \"refused\": %u, \"seconds\": %.6f, \"us_median\": %u, "
	       "\"us_99\": %u, \"us_max\": %u}\n",
	    finished, refused, (double)us / 1e6, share(0.5), share(0.99), share(1));
}

static void options(int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "lc:n:s:u:r:d:")) != -1) {
		switch (option) {
		case 'l':
			lmtp = true;
			break;
		case 'c':
			connections = (unsigned)atoi(optarg);
			break;
		case 'n':
			messages = (unsigned)atoi(optarg);
			break;
		case 's':
			size = (size_t)atol(optarg);
			break;
		case 'u':
			users = (unsigned)atoi(optarg);
			break;
		case 'r':
			recipients = (unsigned)atoi(optarg);
			break;
		case 'd':
			domain = optarg;
			break;
		default:
			exit(2);
		}
	}
	if (optind != argc - 1 || !connections || !messages || !users || !recipients) {
		fprintf(stderr, "usage: load [-l] [-c CONNECTIONS] [-n MESSAGES] [-s SIZE] "
		                "[-u USERS] [-r RECIPIENTS] [-d DOMAIN] PORT\n");
		exit(2);
	}
}

int main(int argc, char **argv)
{
	struct epoll_event events[64];
	struct client *clients;
	uint64_t begin;

	options(argc, argv);
	make_body();
	taken_us = room(messages * sizeof(*taken_us));
	clients = room(connections * sizeof(*clients));
	loop = epoll_create1(0);
	begin = now_us();
	for (unsigned i = 0; i < connections; i++)
		open_client(&clients[i], (unsigned)atoi(argv[optind]));
	while (open_clients) {
		int n = epoll_wait(loop, events, 64, 60000);
		if (n == 0) {
			fprintf(stderr, "load: no answer for a minute\n");
			return 2;
		}
		for (int i = 0; i < n; i++)
			on_event(events[i].data.ptr, events[i].events);
	}
	report(now_us() - begin);
	return refused || finished < messages;
}
