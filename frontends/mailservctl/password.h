/* Passwords from a terminal or a pipe, and what is made of them. */
#ifndef MAILSERVCTL_PASSWORD_H
#define MAILSERVCTL_PASSWORD_H

#include <mailserv/mailserv.h>

/* The longest that is read, in bytes. */
#define PASSWORD_MAX 1024

struct password {
	char text[PASSWORD_MAX + 1];
};

/* What reading gave. */
enum password_input { PASSWORD_GOT, PASSWORD_END, PASSWORD_BAD };

bool password_from_terminal(void);
/* Reads one: a line of standard input.  A terminal shows the prompt and does
 * not echo.  BAD (empty, too long, a NUL): said why on standard error. */
enum password_input password_read(const char *prompt, struct password *out);
/* The one for an account: a terminal is asked twice.  0, or -1 and said why. */
int password_choose(const char *name, struct password *out);
void password_wipe(struct password *password);

/* The second field, and the SCRAM keys for the extra field (NULL: not wanted). */
struct secret {
	char *hash, *scram;
};
/* 0, or -1 and said why. */
int secret_make(struct msv_env *env, const char *scheme, bool scram,
    const struct password *password, struct secret *out);
void secret_wipe(struct msv_env *env, struct secret *secret);
/* True when hashes of this scheme (NULL: the best) can be made; else says so. */
bool secret_scheme_ok(struct msv_env *env, const char *scheme);
/* True when a password of this scheme serves SCRAM without further keys. */
bool secret_scheme_has_keys(const char *scheme);

/* An env whose log goes to standard error; NULL: said why. */
struct msv_env *command_env(void);
/* Refuses arguments that can only be a password. */
int refuse_password_argument(void);

#endif
