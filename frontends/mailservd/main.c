/* mailservd: the command line, and the way into the background. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mailservd.h"

static const char usage[] = "usage: mailservd [-fnv] [-c file]\n"
                            "  -c file  the configuration [" CONFIG_DEFAULT "]\n"
                            "  -f       stay in the foreground and log to standard error\n"
                            "  -n       check the configuration and what it names, and exit\n"
                            "  -v       print the version and exit\n";

static int check(const struct config *config)
{
	unsigned warnings = 0;
	unsigned errors = config_check(config, &warnings);
	if (errors == 0)
		printf("%s: configuration is good%s\n", config->file,
		    warnings ? ", with warnings" : "");
	return errors ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* Goes into the background.  The first process returns from here with the
 * exit status, once the daemon is ready or has failed; in the daemon -1. */
static int detach(int *ready)
{
	int fds[2];
	char byte = 0;
	if (pipe2(fds, O_CLOEXEC) != 0)
		return EXIT_FAILURE;
	pid_t pid = fork();
	if (pid < 0)
		return EXIT_FAILURE;
	if (pid > 0) {
		close(fds[1]);
		return read(fds[0], &byte, 1) == 1 ? EXIT_SUCCESS : EXIT_FAILURE;
	}
	close(fds[0]);
	setsid();
	*ready = fds[1];
	return -1;
}

static void on_problem(void *user, const char *line)
{
	log_line(user, MSV_LOG_ERROR, line);
}

static int run(const struct config *config, bool foreground)
{
	struct daemon daemon = {
		.config = config, .control = -1, .foreground = foreground, .ready = -1
	};
	if (!foreground) {
		int status = detach(&daemon.ready);
		if (status >= 0)
			return status;
	}
	if (log_open(config, foreground) != 0)
		return EXIT_FAILURE;
	int result = EXIT_FAILURE;
	if (secrets_read(config, &daemon.secrets, on_problem, NULL) == 0 &&
	    (daemon.control = control_open(config)) >= 0 &&
	    (daemon.ports = ports_open(config, &daemon.nports)) != NULL)
		result = parent_run(&daemon);
	secrets_wipe(config, &daemon.secrets);
	free(daemon.ports);
	return result;
}

int main(int argc, char **argv)
{
	const char *file = CONFIG_DEFAULT;
	bool foreground = false, only_check = false;
	int option;
	while ((option = getopt(argc, argv, "c:fnv")) != -1) {
		switch (option) {
		case 'c':
			file = optarg;
			break;
		case 'f':
			foreground = true;
			break;
		case 'n':
			only_check = true;
			break;
		case 'v':
			printf("mailservd %s\n", msv_version());
			return EXIT_SUCCESS;
		default:
			fputs(usage, stderr);
			return 64;
		}
	}
	if (optind < argc) {
		fputs(usage, stderr);
		return 64;
	}
	struct config *config = config_load(file);
	if (!config)
		return EXIT_FAILURE;
	int result = only_check ? check(config) : run(config, foreground);
	config_free(config);
	return result;
}
