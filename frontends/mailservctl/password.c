/* Passwords from a terminal or a pipe, and what is made of them. */
#include "password.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <termios.h>
#include <unistd.h>

#include "mailservctl.h"

/* -- The terminal ---------------------------------------------------------- */

static const int endings[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
#define NENDINGS (sizeof endings / sizeof *endings)

/* For the signal handler. */
static struct termios terminal_before;

/* A terminal must not be left without its echo. */
static void on_ending(int number)
{
	tcsetattr(STDIN_FILENO, TCSANOW, &terminal_before);
	signal(number, SIG_DFL);
	raise(number);
}

struct quiet {
	struct sigaction before[NENDINGS];
	bool on;
};

static void quiet_begin(struct quiet *quiet)
{
	struct sigaction action = { .sa_handler = on_ending };
	struct termios silent;
	quiet->on = tcgetattr(STDIN_FILENO, &terminal_before) == 0;
	if (!quiet->on)
		return;
	for (size_t i = 0; i < NENDINGS; i++)
		sigaction(endings[i], &action, &quiet->before[i]);
	silent = terminal_before;
	silent.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOK | ECHONL);
	/* Stopped by Ctrl-Z the shell would not echo either. */
	silent.c_cc[VSUSP] = _POSIX_VDISABLE;
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
}

static void quiet_end(struct quiet *quiet)
{
	if (!quiet->on)
		return;
	tcsetattr(STDIN_FILENO, TCSANOW, &terminal_before);
	for (size_t i = 0; i < NENDINGS; i++)
		sigaction(endings[i], &quiet->before[i], NULL);
	fputc('\n', stderr);
}

bool password_from_terminal(void)
{
	return isatty(STDIN_FILENO);
}

/* -- Reading ---------------------------------------------------------------- */

void password_wipe(struct password *password)
{
	explicit_bzero(password, sizeof *password);
}

static enum password_input bad(const char *why)
{
	fprintf(stderr, "mailservctl: the password %s\n", why);
	return PASSWORD_BAD;
}

/* A line, byte by byte: what a buffer keeps cannot be wiped.  Returns its
 * length, which may be beyond PASSWORD_MAX (the rest was dropped); -1 at the end. */
static ssize_t read_line(struct password *out)
{
	size_t n = 0;
	ssize_t got;
	char c;
	while ((got = read(STDIN_FILENO, &c, 1)) > 0 && c != '\n') {
		if (n < PASSWORD_MAX)
			out->text[n] = c;
		n++;
	}
	if (got <= 0 && n == 0)
		return -1;
	if (n > 0 && n <= PASSWORD_MAX && out->text[n - 1] == '\r')
		n--;
	out->text[n <= PASSWORD_MAX ? n : PASSWORD_MAX] = '\0';
	return (ssize_t)n;
}

enum password_input password_read(const char *prompt, struct password *out)
{
	struct quiet quiet;
	bool terminal = password_from_terminal();
	if (terminal) {
		quiet_begin(&quiet);
		fprintf(stderr, "%s: ", prompt);
	}
	ssize_t n = read_line(out);
	if (terminal)
		quiet_end(&quiet);
	if (n < 0)
		return PASSWORD_END;
	if (n == 0)
		return bad("is empty");
	if (n > PASSWORD_MAX)
		return bad("is longer than 1024 bytes");
	if (strlen(out->text) != (size_t)n)
		return bad("holds a NUL byte");
	return PASSWORD_GOT;
}

/* Asks again: typed blindly, a slip would lock the account. */
static int confirm(const struct password *password)
{
	struct password again;
	bool same = password_read("Once more", &again) == PASSWORD_GOT &&
	            strcmp(again.text, password->text) == 0;
	password_wipe(&again);
	if (!same)
		fprintf(stderr, "mailservctl: that was not the same twice; nothing is changed\n");
	return same ? 0 : -1;
}

int password_choose(const char *name, struct password *out)
{
	char prompt[300];
	snprintf(prompt, sizeof prompt, "Password for %s", name);
	switch (password_read(prompt, out)) {
	case PASSWORD_GOT:
		return password_from_terminal() ? confirm(out) : 0;
	case PASSWORD_END:
		fprintf(stderr, "mailservctl: no password; nothing is changed\n");
		return -1;
	case PASSWORD_BAD:
		break;
	}
	return -1;
}

int refuse_password_argument(void)
{
	fprintf(stderr,
	    "mailservctl: a password on the command line shows in the process list, where "
	    "everybody "
	    "on this machine reads it; leave it out, and type it when asked or send it through a "
	    "pipe\n");
	return EXIT_USAGE;
}

/* -- Hashes ------------------------------------------------------------------ */

static void on_log(void *user, enum msv_log_level level, const char *line)
{
	(void)user;
	if (level <= MSV_LOG_WARN)
		fprintf(stderr, "mailservctl: %s\n", line);
}

struct msv_env *command_env(void)
{
	struct msv_env_options options = { .size = sizeof options, .log = on_log };
	struct msv_env *env;
	int error = msv_env_new(&options, &env);
	if (!error)
		return env;
	fprintf(stderr, "mailservctl: %s\n", msv_strerror(error));
	return NULL;
}

bool secret_scheme_has_keys(const char *scheme)
{
	return scheme &&
	       (strcasecmp(scheme, "SCRAM-SHA-256") == 0 || strcasecmp(scheme, "PLAIN") == 0);
}

bool secret_scheme_ok(struct msv_env *env, const char *scheme)
{
	char *hash;
	if (!scheme)
		return true;
	int error = msv_password_hash(env, scheme, "x", &hash);
	msv_env_realloc(env, hash, 0);
	if (error)
		fprintf(stderr,
		    "mailservctl: no hashes of scheme %s: %s; leave out --scheme for the best "
		    "one\n",
		    scheme, msv_strerror(error));
	return error == 0;
}

int secret_make(struct msv_env *env, const char *scheme, bool scram,
    const struct password *password, struct secret *out)
{
	*out = (struct secret){ 0 };
	int error = msv_password_hash(env, scheme, password->text, &out->hash);
	if (!error && scram && !secret_scheme_has_keys(scheme))
		error = msv_password_scram(env, password->text, &out->scram);
	if (!error)
		return 0;
	fprintf(stderr, "mailservctl: no hash of the password: %s\n",
	    error == MSV_ERR_LIMIT ? "it is too long for this scheme" : msv_strerror(error));
	secret_wipe(env, out);
	return -1;
}

static void wipe_string(struct msv_env *env, char *s)
{
	if (s)
		explicit_bzero(s, strlen(s));
	msv_env_realloc(env, s, 0);
}

void secret_wipe(struct msv_env *env, struct secret *secret)
{
	wipe_string(env, secret->hash);
	wipe_string(env, secret->scram);
	*secret = (struct secret){ 0 };
}
