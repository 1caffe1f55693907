/* mailservctl: a table of commands, a file for each group of them. */
#ifndef MAILSERVCTL_H
#define MAILSERVCTL_H

#include <mailserv/mailserv.h>

#include "config.h"

/* What a command exits with when it was called wrongly (sysexits' EX_USAGE). */
#define EXIT_USAGE 64

/* A command: argv[0] is its name.  config_file is what -c said.  Returns the
 * exit status. */
typedef int (*command_fn)(const char *config_file, int argc, char **argv);

/* control.c */
int command_status(const char *config_file, int argc, char **argv);
int command_who(const char *config_file, int argc, char **argv);
int command_reload(const char *config_file, int argc, char **argv);
/* check.c */
int command_check(const char *config_file, int argc, char **argv);
/* encrypt.c, user.c */
int command_encrypt(const char *config_file, int argc, char **argv);
int command_user(const char *config_file, int argc, char **argv);

#endif
