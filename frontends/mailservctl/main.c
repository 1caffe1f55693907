/* mailservctl: the command line. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mailservctl.h"

static const struct {
	const char *name;
	command_fn fn;
	const char *usage;
} commands[] = {
	{ "check", command_check, "check                        is the configuration good?" },
	{ "status", command_status, "status                       how the daemon is" },
	{ "who", command_who, "who                          who is connected" },
	{ "reload", command_reload,
	    "reload                       read certificates and accounts again" },
	{ "queue", command_queue,
	    "queue [list|show|retry|hold|release|remove|stats] [ID|all|domain D]" },
	{ "explain", command_explain,
	    "explain FROM TO              what would become of a message" },
	{ "log", command_log, "log MESSAGE-ID|ID            the way of a message" },
	{ "trace", command_trace, "trace                        outgoing sessions, live" },
	{ "pause", command_pause, "pause in|out                 take no mail, send no mail" },
	{ "resume", command_pause, "resume in|out                the end of pause" },
	{ "user", command_user, "user add|passwd|remove|list  accounts" },
	{ "encrypt", command_encrypt, "encrypt                      passwords to hashes" },
};

#define NCOMMANDS (sizeof commands / sizeof *commands)

static int usage(FILE *out)
{
	fputs("usage: mailservctl [-c file] command [argument ...]\n", out);
	for (size_t i = 0; i < NCOMMANDS; i++)
		fprintf(out, "  %s\n", commands[i].usage);
	return out == stdout ? EXIT_SUCCESS : EXIT_USAGE;
}

int main(int argc, char **argv)
{
	const char *config_file = CONFIG_DEFAULT;
	int option;
	/* "+": options behind the command are the command's. */
	while ((option = getopt(argc, argv, "+c:h")) != -1) {
		if (option == 'h')
			return usage(stdout);
		if (option != 'c')
			return usage(stderr);
		config_file = optarg;
	}
	if (optind == argc)
		return usage(stderr);
	for (size_t i = 0; i < NCOMMANDS; i++)
		if (strcmp(commands[i].name, argv[optind]) == 0) {
			int first = optind;
			optind = 1; /* the command reads its own options */
			return commands[i].fn(config_file, argc - first, argv + first);
		}
	fprintf(stderr, "mailservctl: no command %s\n", argv[optind]);
	return usage(stderr);
}
