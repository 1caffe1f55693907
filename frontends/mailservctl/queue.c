/* mailservctl queue and explain. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "mailservctl.h"

/* -- queue --------------------------------------------------------------------------- */

static const char queue_usage[] =
    "usage: mailservctl [-c file] queue [list [ID|domain D]] [--json]\n"
    "       mailservctl [-c file] queue show ID\n"
    "       mailservctl [-c file] queue retry|hold|release|remove ID|all|domain D\n"
    "       mailservctl [-c file] queue stats [--json]\n";

/* "12m", "3h", "2d". */
static const char *span(long long seconds, char out[24])
{
	if (seconds < 0)
		seconds = 0;
	if (seconds < 120)
		snprintf(out, 24, "%llds", seconds);
	else if (seconds < 7200)
		snprintf(out, 24, "%lldm", seconds / 60);
	else if (seconds < 172800)
		snprintf(out, 24, "%lldh", seconds / 3600);
	else
		snprintf(out, 24, "%lldd", seconds / 86400);
	return out;
}

static const char *state(const json_t *row, char out[40])
{
	char next[24];
	long long wait = row_number(row, "next") - (long long)time(NULL);
	if (json_is_true(json_object_get(row, "held")))
		return "held";
	if (json_is_true(json_object_get(row, "busy")))
		return "under way";
	if (wait <= 0)
		return "due";
	snprintf(out, 40, "in %s", span(wait, next));
	return out;
}

/* The last message printed; its facts are not said again for each recipient. */
static void print_entry(void *user, const json_t *row)
{
	char *last = user, age[24], when[40];
	const char *id = row_string(row, "id"), *from = row_string(row, "from");
	if (strcmp(last, id) != 0) {
		printf("%-16s %6s %9lld  from <%s>%s\n", id,
		    span((long long)time(NULL) - row_number(row, "arrived"), age),
		    row_number(row, "size"), strcmp(from, "-") == 0 ? "" : from,
		    json_is_true(json_object_get(row, "held")) ? " (held)" : "");
		snprintf(last, 64, "%s", id);
	}
	printf("    to %s: %s, %lld tries", row_string(row, "to"), state(row, when),
	    row_number(row, "attempts"));
	const char *host = row_string(row, "host"), *text = row_string(row, "text");
	if (strcmp(text, "-") != 0)
		printf("; %s%s%s", strcmp(host, "-") == 0 ? "" : host,
		    strcmp(host, "-") == 0 ? "" : ": ", text);
	putchar('\n');
}

static void print_count(void *user, const json_t *row)
{
	printf("%s: %lld message%s, %lld recipient%s\n", (const char *)user,
	    row_number(row, "messages"), row_number(row, "messages") == 1 ? "" : "s",
	    row_number(row, "recipients"), row_number(row, "recipients") == 1 ? "" : "s");
}

static void print_stats(void *user, const json_t *row)
{
	char age[24];
	long long oldest = row_number(row, "oldest");
	(void)user;
	printf(
	    "messages    %lld, %lld held\n", row_number(row, "messages"), row_number(row, "held"));
	printf("recipients  %lld, %lld under way\n", row_number(row, "recipients"),
	    row_number(row, "busy"));
	printf("oldest      %s\n", oldest ? span((long long)time(NULL) - oldest, age) : "-");
	printf("since start %lld taken, %lld delivered, %lld failed, %lld tries to repeat\n",
	    row_number(row, "added"), row_number(row, "delivered"), row_number(row, "failed"),
	    row_number(row, "retried"));
}

static void print_piece(void *user, const json_t *row)
{
	const json_t *piece = json_object_get(row, "piece");
	(void)user;
	for (const char *p = json_string_value(piece); p && *p; p++)
		if (*p != '\r')
			putchar(*p);
}

/* The entries of a message, then the message. */
static int show(const char *config_file, const char *id)
{
	char last[64] = "";
	const char *const entries[] = { "queue", "list", id }, *const body[] = { "queue", "body",
		id };
	int status = ask(config_file, entries, 3, false, print_entry, last);
	if (status != EXIT_SUCCESS)
		return status;
	if (!*last) {
		fprintf(stderr, "mailservctl: %s is not in the queue\n", id);
		return EXIT_FAILURE;
	}
	putchar('\n');
	return ask(config_file, body, 3, false, print_piece, NULL);
}

static bool names_some(int argc, char **argv)
{
	return argc == 1 ? strcmp(argv[0], "domain") != 0
	                 : argc == 2 && strcmp(argv[0], "domain") == 0;
}

int command_queue(const char *config_file, int argc, char **argv)
{
	bool as_json = take_json_option(&argc, argv);
	const char *word = argc > 1 ? argv[1] : "list";
	const char *const *words = (const char *const *)argv;
	const char *const list[] = { "queue", "list" };
	char last[64] = "";
	if (argc == 1)
		return ask(config_file, list, 2, as_json, print_entry, last);
	if (strcmp(word, "list") == 0 && (argc == 2 || names_some(argc - 2, argv + 2)))
		return ask(config_file, words, (size_t)argc, as_json, print_entry, last);
	if (strcmp(word, "show") == 0 && argc == 3)
		return show(config_file, argv[2]);
	if (strcmp(word, "stats") == 0 && argc == 2)
		return ask(config_file, words, 2, as_json, print_stats, NULL);
	if (names_some(argc - 2, argv + 2)) {
		static const char *const changes[][2] = { { "retry", "to be tried now" },
			{ "hold", "held" }, { "release", "released" }, { "remove", "removed" } };
		for (size_t i = 0; i < sizeof changes / sizeof *changes; i++)
			if (strcmp(word, changes[i][0]) == 0)
				return ask(config_file, words, (size_t)argc, as_json, print_count,
				    (void *)(uintptr_t)changes[i][1]);
	}
	fputs(queue_usage, stderr);
	return EXIT_USAGE;
}

/* -- explain ------------------------------------------------------------------------------- */

static void print_step(void *user, const json_t *row)
{
	(void)user;
	printf("%*s%s: %s\n", (int)(2 * row_number(row, "depth")), "", row_string(row, "what"),
	    row_string(row, "text"));
}

/* The value behind an option, taken out of argv. */
static const char *take_option(int *argc, char **argv, const char *name)
{
	for (int i = 1; i + 1 < *argc; i++)
		if (strcmp(argv[i], name) == 0) {
			const char *value = argv[i + 1];
			memmove(argv + i, argv + i + 2, (size_t)(*argc - i - 1) * sizeof *argv);
			*argc -= 2;
			return value;
		}
	return "";
}

/* An address as people write it, with brackets or without. */
static char *bare(char *address)
{
	size_t n = strlen(address);
	if (n < 2 || address[0] != '<' || address[n - 1] != '>')
		return address;
	address[n - 1] = '\0';
	return address + 1;
}

int command_explain(const char *config_file, int argc, char **argv)
{
	bool as_json = take_json_option(&argc, argv);
	const char *peer = take_option(&argc, argv, "--peer");
	const char *account = take_option(&argc, argv, "--auth");
	if (argc != 3) {
		fputs("usage: mailservctl [-c file] explain FROM TO [--peer IP] [--auth USER] "
		      "[--json]\n",
		    stderr);
		return EXIT_USAGE;
	}
	const char *const words[] = { "explain", bare(argv[1]), bare(argv[2]), peer, account };
	return ask(config_file, words, 5, as_json, print_step, NULL);
}
