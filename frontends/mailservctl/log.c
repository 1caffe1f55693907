/* mailservctl log: the way of a message through the log file. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mailservctl.h"

#define IDS_MAX 64

/* The ids of messages that are looked for. */
struct wanted {
	char ids[IDS_MAX][32];
	size_t n;
};

/* The value of "key=" in a line: where it begins, and its length; NULL none. */
static const char *value_of(const char *line, const char *key, size_t *n)
{
	size_t nkey = strlen(key);
	for (const char *p = line; (p = strstr(p, key)); p += nkey) {
		if ((p > line && p[-1] != ' ') || p[nkey] != '=')
			continue;
		p += nkey + 1;
		bool quoted = *p == '"';
		p += quoted;
		*n = strcspn(p, quoted ? "\"" : " \r\n");
		return p;
	}
	return NULL;
}

static bool is_wanted(const struct wanted *wanted, const char *id, size_t n)
{
	for (size_t i = 0; i < wanted->n; i++)
		if (strlen(wanted->ids[i]) == n && memcmp(wanted->ids[i], id, n) == 0)
			return true;
	return false;
}

static void want(struct wanted *wanted, const char *id, size_t n)
{
	if (wanted->n < IDS_MAX && n > 0 && n < sizeof wanted->ids[0] &&
	    !is_wanted(wanted, id, n)) {
		memcpy(wanted->ids[wanted->n], id, n);
		wanted->ids[wanted->n++][n] = '\0';
	}
}

/* Does "message-id=" of the line say what is asked, with brackets or without? */
static bool has_message_id(const char *line, const char *asked)
{
	size_t n, nasked = strlen(asked);
	const char *p = value_of(line, "message-id", &n);
	if (!p)
		return false;
	if (n >= 2 && p[0] == '<' && asked[0] != '<') {
		p++;
		n -= 2;
	}
	return n == nasked && memcmp(p, asked, n) == 0;
}

/* What is asked for, as the id of a message: a Message-ID that was given here has it
 * before the @. */
static void want_asked(struct wanted *wanted, const char *asked)
{
	asked += *asked == '<';
	want(wanted, asked, strcspn(asked, "@>"));
}

/* Prints what belongs to the message; notifications about it ("about=ID") too. */
static size_t follow(FILE *file, const char *asked, struct wanted *wanted)
{
	char *line = NULL;
	size_t cap = 0, printed = 0;
	want_asked(wanted, asked);
	while (getline(&line, &cap, file) > 0) {
		size_t nid = 0, nabout = 0;
		const char *id = value_of(line, "id", &nid);
		const char *about = value_of(line, "about", &nabout);
		if (!id)
			continue;
		if (has_message_id(line, asked) || (about && is_wanted(wanted, about, nabout)))
			want(wanted, id, nid);
		if (is_wanted(wanted, id, nid)) {
			fputs(line, stdout);
			printed++;
		}
	}
	free(line);
	return printed;
}

int command_log(const char *config_file, int argc, char **argv)
{
	struct wanted wanted = { .n = 0 };
	if (argc != 2) {
		fputs("usage: mailservctl [-c file] log MESSAGE-ID|ID\n", stderr);
		return EXIT_USAGE;
	}
	struct config *config = config_load(config_file);
	if (!config)
		return EXIT_FAILURE;
	FILE *file = config->log_file ? fopen(config->log_file, "r") : NULL;
	if (!config->log_file)
		fprintf(stderr,
		    "mailservctl: the log is no file; say log = \"/var/log/mailserv.log\" in %s, "
		    "or "
		    "look for id= in the system's log\n",
		    config->file);
	else if (!file)
		fprintf(stderr, "mailservctl: %s: %s\n", config->log_file, strerror(errno));
	size_t printed = file ? follow(file, argv[1], &wanted) : 0;
	if (file && printed == 0)
		fprintf(stderr, "mailservctl: %s is not in %s\n", argv[1], config->log_file);
	if (file)
		fclose(file);
	config_free(config);
	return printed ? EXIT_SUCCESS : EXIT_FAILURE;
}
