/*
 * floor: what the file system alone takes to make a message durable.
 *
 *	floor [-m] [-t THREADS] [-n MESSAGES] [-s SIZE] [-u USERS] DIRECTORY
 *
 * For each message, as a Maildir wants it: write tmp/NAME, fsync it, rename it
 * into new/, fsync new/.  With -m each thread gets its messages from a process
 * of its own, over TCP: a mail server that only copies.  Prints one line of
 * JSON; the time of the other processes is not in it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { THREADS_MAX = 1024 };

static unsigned threads = 10, messages = 1000, users = 10;
static size_t size = 4096;
static bool copying;
static const char *directory;
static atomic_uint next;

static void die(const char *what)
{
	fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
	exit(2);
}

static int box(unsigned user, const char *name)
{
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/user%u/%s", directory, user, name);
	fd = open(path, O_RDONLY | O_DIRECTORY);
	if (fd < 0)
		die(path);
	return fd;
}

static void make_boxes(void)
{
	static const char *const part[] = { "", "/tmp", "/new", "/cur" };
	char path[4096];

	for (unsigned user = 0; user < users; user++) {
		for (size_t i = 0; i < sizeof(part) / sizeof(part[0]); i++) {
			snprintf(path, sizeof(path), "%s/user%u%s", directory, user, part[i]);
			if (mkdir(path, 0700) < 0 && errno != EEXIST)
				die(path);
		}
	}
}

static void write_all(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t wrote = write(fd, p, n);
		if (wrote <= 0)
			die("write");
		p += wrote;
		n -= (size_t)wrote;
	}
}

static void store(unsigned i, const char *text)
{
	int temp = box(i % users, "tmp"), fresh = box(i % users, "new"), fd;
	char name[64];

	snprintf(name, sizeof(name), "%ld.%u.floor", (long)getpid(), i);
	fd = openat(temp, name, O_WRONLY | O_CREAT | O_EXCL, 0600);
	if (fd < 0)
		die(name);
	write_all(fd, text, size);
	if (fsync(fd) < 0 || renameat(temp, name, fresh, name) < 0 || fsync(fresh) < 0)
		die(name);
	close(fd);
	close(temp);
	close(fresh);
}

static void *work(void *text)
{
	unsigned i;

	while ((i = atomic_fetch_add(&next, 1)) < messages)
		store(i, text);
	return NULL;
}

/* -- Copying ------------------------------------------------------------------- */

/* Sends that many messages to a port, each when the one before was confirmed. */
static void feed(unsigned short port, unsigned count, const char *text)
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
	char yes;

	if (fd < 0 || connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		die("connect");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	while (count-- > 0) {
		write_all(fd, text, size);
		if (read(fd, &yes, 1) != 1)
			die("read");
	}
	_exit(0);
}

static void take(int fd, char *room)
{
	ssize_t got;

	for (size_t have = 0; have < size; have += (size_t)got) {
		got = read(fd, room + have, size - have < 65536 ? size - have : 65536);
		if (got <= 0)
			die("read");
	}
}

struct copier {
	int fd;
	unsigned first, count;
};

static void *copy(void *user)
{
	struct copier *copier = user;
	char *room = malloc(size);

	if (!room)
		die("memory");
	for (unsigned i = 0; i < copier->count; i++) {
		take(copier->fd, room);
		store(copier->first + i, room);
		write_all(copier->fd, "y", 1);
	}
	free(room);
	close(copier->fd);
	return NULL;
}

/* A connection from a new process that has so many messages to send. */
static int feeder(int listener, unsigned short port, unsigned count, const char *text)
{
	int fd, on = 1;
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (pid == 0)
		feed(port, count, text);
	fd = accept(listener, NULL, NULL);
	if (fd < 0)
		die("accept");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

static void connect_all(struct copier *copiers, const char *text)
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(sa);
	int listener = socket(AF_INET, SOCK_STREAM, 0);

	if (listener < 0 || bind(listener, (struct sockaddr *)&sa, sizeof(sa)) < 0 ||
	    listen(listener, 1024) < 0 || getsockname(listener, (struct sockaddr *)&sa, &n) < 0)
		die("listen");
	for (unsigned i = 0; i < threads; i++) {
		copiers[i].first = messages / threads * i;
		copiers[i].count = messages / threads;
		copiers[i].fd = feeder(listener, ntohs(sa.sin_port), copiers[i].count, text);
	}
	messages = messages / threads * threads;
	close(listener);
}

static double seconds(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void run(char *text)
{
	static struct copier copiers[THREADS_MAX];
	pthread_t thread[THREADS_MAX];

	if (copying)
		connect_all(copiers, text);
	for (unsigned i = 0; i < threads; i++) {
		if (pthread_create(&thread[i], NULL, copying ? copy : work,
		        copying ? (void *)&copiers[i] : text) != 0)
			die("pthread_create");
	}
	for (unsigned i = 0; i < threads; i++)
		pthread_join(thread[i], NULL);
}

static void options(int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "mt:n:s:u:")) != -1) {
		switch (option) {
		case 'm':
			copying = true;
			break;
		case 't':
			threads = (unsigned)atoi(optarg);
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
		default:
			exit(2);
		}
	}
	if (optind != argc - 1 || !threads || threads > THREADS_MAX || !users) {
		fprintf(stderr, "usage: floor [-m] [-t THREADS] [-n MESSAGES] [-s SIZE] [-u USERS] "
		                "DIRECTORY\n");
		exit(2);
	}
	directory = argv[optind];
}

int main(int argc, char **argv)
{
	double begin;
	char *text;

	options(argc, argv);
	text = malloc(size);
	if (!text)
		die("memory");
	memset(text, 'x', size);
	make_boxes();
	begin = seconds(CLOCK_MONOTONIC);
	run(text);
	printf("{\"messages\": %u, \"seconds\": %.6f, \"cpu\": %.6f}\n", messages,
	    seconds(CLOCK_MONOTONIC) - begin, seconds(CLOCK_PROCESS_CPUTIME_ID));
	free(text);
	return 0;
}
