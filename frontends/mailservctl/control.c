/* mailservctl status, who, reload: a question to the running daemon. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "mailservctl.h"

/* A connected socket to the daemon of this configuration, or -1 and said why. */
static int control_connect(const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = -1;
	if (strlen(path) < sizeof sun.sun_path) {
		memcpy(sun.sun_path, path, strlen(path));
		fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (fd >= 0 && connect(fd, (struct sockaddr *)&sun, sizeof sun) == 0)
			return fd;
	} else {
		errno = ENAMETOOLONG;
	}
	fprintf(stderr, "mailservctl: %s: %s; %s\n", path, strerror(errno),
	    errno == EACCES ? "only root and who started mailservd may ask"
	                    : "is mailservd running with this configuration?");
	if (fd >= 0)
		close(fd);
	return -1;
}

/* Sends the request, prints the answer.  0, or -1 when there was none. */
static int ask(int fd, const char *request, char *last, size_t nlast)
{
	char line[64];
	int n = snprintf(line, sizeof line, "%s\n", request);
	if (write(fd, line, (size_t)n) != n)
		return -1;
	FILE *answer = fdopen(fd, "r");
	char *text = NULL;
	size_t cap = 0;
	bool any = false;
	while (answer && getline(&text, &cap, answer) > 0) {
		fputs(text, stdout);
		snprintf(last, nlast, "%s", text);
		any = true;
	}
	free(text);
	if (answer)
		fclose(answer);
	return any ? 0 : -1;
}

static int request(const char *config_file, int argc, char **argv)
{
	char last[256] = "";
	if (argc != 1) {
		fprintf(stderr, "usage: mailservctl [-c file] %s\n", argv[0]);
		return EXIT_USAGE;
	}
	struct config *config = config_load(config_file);
	int fd = config ? control_connect(config->control) : -1;
	config_free(config);
	if (fd < 0)
		return EXIT_FAILURE;
	if (ask(fd, argv[0], last, sizeof last) != 0) {
		fprintf(stderr, "mailservctl: the daemon did not answer; see its log\n");
		return EXIT_FAILURE;
	}
	/* A reload's last line says how it went. */
	bool good = strcmp(argv[0], "reload") != 0 || strncmp(last, "reloaded", 8) == 0;
	return good ? EXIT_SUCCESS : EXIT_FAILURE;
}

int command_status(const char *config_file, int argc, char **argv)
{
	return request(config_file, argc, argv);
}

int command_who(const char *config_file, int argc, char **argv)
{
	return request(config_file, argc, argv);
}

int command_reload(const char *config_file, int argc, char **argv)
{
	return request(config_file, argc, argv);
}
