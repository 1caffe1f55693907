/* mailservctl check: what mailservd -n does. */
#include <stdio.h>
#include <stdlib.h>

#include "mailservctl.h"

int command_check(const char *config_file, int argc, char **argv)
{
	unsigned warnings = 0;
	if (argc != 1) {
		fprintf(stderr, "usage: mailservctl [-c file] %s\n", argv[0]);
		return EXIT_USAGE;
	}
	struct config *config = config_load(config_file);
	if (!config)
		return EXIT_FAILURE;
	unsigned errors = config_check(config, &warnings);
	if (errors == 0)
		printf("%s: configuration is good%s\n", config->file,
		    warnings ? ", with warnings" : "");
	config_free(config);
	return errors ? EXIT_FAILURE : EXIT_SUCCESS;
}
