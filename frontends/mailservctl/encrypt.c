/* mailservctl encrypt: passwords to hashes for the second field of a passwd
 * line. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "mailservctl.h"
#include "password.h"

struct wish {
	const char *scheme;
	bool scram;
};

static int usage(void)
{
	fprintf(stderr,
	    "usage: mailservctl encrypt [--scram] [--scheme scheme]\n"
	    "  Reads passwords, a line each, until Ctrl-D, and prints a hash for each.\n"
	    "  With --scram: all of a passwd line behind \"user:\", with the SCRAM keys in it.\n");
	return EXIT_USAGE;
}

/* 0, or the exit status. */
static int read_options(int argc, char **argv, struct wish *wish)
{
	static const struct option options[] = {
		{ "scheme", required_argument, NULL, 's' },
		{ "scram", no_argument, NULL, 'k' },
		{ 0 },
	};
	int option;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 's')
			wish->scheme = optarg;
		else if (option == 'k')
			wish->scram = true;
		else
			return usage();
	}
	return optind < argc ? refuse_password_argument() : 0;
}

static int print_hash(struct msv_env *env, const struct wish *wish, const struct password *password)
{
	struct secret secret;
	if (secret_make(env, wish->scheme, wish->scram, password, &secret) != 0)
		return -1;
	if (secret.scram)
		printf("%s::::::scram-sha-256=%s\n", secret.hash, secret.scram);
	else
		printf("%s\n", secret.hash);
	fflush(stdout);
	secret_wipe(env, &secret);
	return 0;
}

/* Until the end of input; how many lines failed. */
static unsigned encrypt_all(struct msv_env *env, const struct wish *wish)
{
	struct password password;
	enum password_input input;
	unsigned failed = 0;
	while ((input = password_read("Password", &password)) != PASSWORD_END)
		failed += input == PASSWORD_BAD || print_hash(env, wish, &password) != 0;
	password_wipe(&password);
	return failed;
}

int command_encrypt(const char *config_file, int argc, char **argv)
{
	struct wish wish = { 0 };
	(void)config_file;
	int status = read_options(argc, argv, &wish);
	if (status)
		return status;
	struct msv_env *env = command_env();
	if (!env)
		return EXIT_FAILURE;
	/* Before anybody types in vain. */
	if (!secret_scheme_ok(env, wish.scheme))
		status = EXIT_USAGE;
	else if (encrypt_all(env, &wish) > 0 || ferror(stdout))
		status = EXIT_FAILURE;
	msv_env_free(env);
	return status;
}
