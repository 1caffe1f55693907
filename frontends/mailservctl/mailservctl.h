/* mailservctl: a table of commands, a file for each group of them. */
#ifndef MAILSERVCTL_H
#define MAILSERVCTL_H

#include <jansson.h>
#include <mailserv/mailserv.h>

#include "config.h"

/* What a command exits with when it was called wrongly (sysexits' EX_USAGE). */
#define EXIT_USAGE 64

/* A command: argv[0] is its name.  config_file is what -c said.  Returns the
 * exit status. */
typedef int (*command_fn)(const char *config_file, int argc, char **argv);

/* -- ask.c: questions to the daemon ---------------------------------------- */

/* Prints a row of the answer. */
typedef void (*row_fn)(void *user, const json_t *row);
/* Asks with n words and prints every row: as it came with as_json, else by fn.
 * The exit status; what went wrong is said. */
int ask(const char *config_file, const char *const *words, size_t n, bool as_json, row_fn fn,
    void *user);
/* A member of a row; "-" for an empty string. */
const char *row_string(const json_t *row, const char *key);
long long row_number(const json_t *row, const char *key);
/* The row's "text". */
void print_text(void *user, const json_t *row);
/* Takes --json out of the arguments. */
bool take_json_option(int *argc, char **argv);

/* -- Commands ------------------------------------------------------------------ */

/* control.c */
int command_status(const char *config_file, int argc, char **argv);
int command_who(const char *config_file, int argc, char **argv);
int command_reload(const char *config_file, int argc, char **argv);
int command_trace(const char *config_file, int argc, char **argv);
int command_pause(const char *config_file, int argc, char **argv);
/* queue.c */
int command_queue(const char *config_file, int argc, char **argv);
int command_explain(const char *config_file, int argc, char **argv);
/* log.c */
int command_log(const char *config_file, int argc, char **argv);
/* check.c */
int command_check(const char *config_file, int argc, char **argv);
/* encrypt.c, user.c */
int command_encrypt(const char *config_file, int argc, char **argv);
int command_user(const char *config_file, int argc, char **argv);

#endif
