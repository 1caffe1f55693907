/*
 * floor: what the file system alone takes to make a message durable.
 *
 *	floor [-t THREADS] [-n MESSAGES] [-s SIZE] [-u USERS] [-m] DIRECTORY
 *
 * For each message, as a Maildir wants it: write tmp/NAME, fsync it, rename it
 * into new/, fsync new/.  With -m messages are only copied in memory, as often
 * as they cannot but be copied: from a socket into a buffer, from there into a
 * file.  Prints one line of JSON.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

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

/* From one socket to the other, from there into a file in memory. */
static void copy(int pair[2], int file, char *text, char *room)
{
	for (size_t done = 0; done < size;) {
		size_t n = size - done < 65536 ? size - done : 65536;
		ssize_t got;

		write_all(pair[0], text + done, n);
		for (size_t have = 0; have < n; have += (size_t)got) {
			got = read(pair[1], room + done + have, n - have);
			if (got <= 0)
				die("read");
		}
		done += n;
	}
	if (pwrite(file, room, size, 0) != (ssize_t)size)
		die("pwrite");
}

static void copy_all(char *text)
{
	char *room = malloc(size), path[4096];
	int pair[2], file;

	snprintf(path, sizeof(path), "%s/copy", directory);
	file = open(path, O_RDWR | O_CREAT, 0600);
	if (!room || file < 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
		die(path);
	for (unsigned i = 0; i < messages; i++)
		copy(pair, file, text, room);
	free(room);
	close(file);
	unlink(path);
}

static double seconds(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void run(char *text)
{
	pthread_t thread[1024];

	for (unsigned i = 0; i < threads; i++) {
		if (pthread_create(&thread[i], NULL, work, text) != 0)
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
	if (optind != argc - 1 || !threads || threads > 1024 || !users) {
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
	if (copying)
		copy_all(text);
	else
		run(text);
	printf("{\"messages\": %u, \"seconds\": %.6f, \"cpu\": %.6f}\n", messages,
	    seconds(CLOCK_MONOTONIC) - begin, seconds(CLOCK_PROCESS_CPUTIME_ID));
	free(text);
	return 0;
}
