/* A question to the running daemon: a JSON array of words goes to its control
 * socket, rows come back as JSON objects, the last says how it ended. */
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

static int send_request(int fd, const char *const *words, size_t n)
{
	json_t *array = json_array();
	for (size_t i = 0; i < n; i++)
		if (json_array_append_new(array, json_string(words[i])) != 0) {
			fprintf(stderr, "mailservctl: '%s' is not UTF-8\n", words[i]);
			json_decref(array);
			return -1;
		}
	int error = json_dumpfd(array, fd, JSON_COMPACT) != 0 || write(fd, "\n", 1) != 1;
	json_decref(array);
	return error ? -1 : 0;
}

/* One line of the answer.  -1: go on; else the exit status. */
static int take_row(const char *line, bool as_json, row_fn fn, void *user)
{
	json_t *row = json_loads(line, JSON_ALLOW_NUL, NULL);
	const char *error = json_string_value(json_object_get(row, "error"));
	int status = -1;
	if (error) {
		fprintf(stderr, "mailservctl: %s\n", error);
		status = EXIT_FAILURE;
	} else if (json_is_true(json_object_get(row, "done"))) {
		status = EXIT_SUCCESS;
	} else if (as_json) {
		fputs(line, stdout);
		fflush(stdout);
	} else if (row) {
		fn(user, row);
		fflush(stdout);
	}
	json_decref(row);
	return status;
}

int ask(const char *config_file, const char *const *words, size_t n, bool as_json, row_fn fn,
    void *user)
{
	struct config *config = config_load(config_file);
	int fd = config ? control_connect(config->control) : -1;
	config_free(config);
	if (fd < 0)
		return EXIT_FAILURE;
	FILE *answer = send_request(fd, words, n) == 0 ? fdopen(fd, "r") : NULL;
	char *line = NULL;
	size_t cap = 0;
	int status = -1;
	while (answer && status < 0 && getline(&line, &cap, answer) > 0)
		status = take_row(line, as_json, fn, user);
	free(line);
	if (answer)
		fclose(answer);
	else
		close(fd);
	if (status < 0) {
		fprintf(stderr, "mailservctl: the daemon did not answer; see its log\n");
		status = EXIT_FAILURE;
	}
	return status;
}

const char *row_string(const json_t *row, const char *key)
{
	const char *s = json_string_value(json_object_get(row, key));
	return s && *s ? s : "-";
}

long long row_number(const json_t *row, const char *key)
{
	return json_integer_value(json_object_get(row, key));
}

void print_text(void *user, const json_t *row)
{
	(void)user;
	puts(row_string(row, "text"));
}

bool take_json_option(int *argc, char **argv)
{
	bool found = false;
	int n = 0;
	for (int i = 0; i < *argc; i++)
		if (strcmp(argv[i], "--json") == 0)
			found = true;
		else
			argv[n++] = argv[i];
	*argc = n;
	argv[n] = NULL;
	return found;
}
