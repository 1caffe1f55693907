/* mailservctl status, who, reload, trace, pause, resume. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mailservctl.h"

static void print_status(void *user, const json_t *row)
{
	const json_t *c = json_object_get(row, "connections"), *q = json_object_get(row, "queued");
	(void)user;
	printf("version      %s\n", row_string(row, "version"));
	printf("process      %lld\n", row_number(row, "process"));
	printf("running      %lld s\n", row_number(row, "running"));
	printf("accounts     %lld\n", row_number(row, "accounts"));
	printf("connections  %lld imap, %lld smtp, %lld submission, %lld lmtp\n",
	    row_number(c, "imap"), row_number(c, "smtp"), row_number(c, "submission"),
	    row_number(c, "lmtp"));
	printf("accepted     %lld\n", row_number(row, "accepted"));
	printf("imap logins  %lld, %lld failed\n", row_number(row, "logins"),
	    row_number(row, "failed_logins"));
	if (json_object_get(row, "certificate_days"))
		printf("certificate  expires in %lld days\n", row_number(row, "certificate_days"));
	if (q)
		printf("queue        %lld messages, %lld recipients, %lld held\n",
		    row_number(q, "messages"), row_number(q, "recipients"), row_number(q, "held"));
	if (json_is_true(json_object_get(row, "paused_in")))
		puts("paused       in: new mail gets 421; go on with: mailservctl resume in");
	if (json_is_true(json_object_get(row, "paused_out")))
		puts("paused       out: nothing is sent; go on with: mailservctl resume out");
}

static void print_who_header(bool *done)
{
	if (!*done)
		printf("%-11s %-12s %-24s %-20s %-10s %-8s %-12s %s\n", "PROTOCOL", "SESSION",
		    "USER", "FROM", "STATE", "TLS", "MAILBOX", "SINCE");
	*done = true;
}

static void print_who(void *user, const json_t *row)
{
	print_who_header(user);
	printf("%-11s %-12s %-24s %-20s %-10s %-8s %-12s %llds\n", row_string(row, "protocol"),
	    row_string(row, "session"), row_string(row, "user"), row_string(row, "from"),
	    row_string(row, "state"), row_string(row, "tls"), row_string(row, "mailbox"),
	    row_number(row, "seconds"));
}

static int wrong(const char *usage)
{
	fprintf(stderr, "usage: mailservctl [-c file] %s\n", usage);
	return EXIT_USAGE;
}

int command_status(const char *config_file, int argc, char **argv)
{
	bool as_json = take_json_option(&argc, argv);
	if (argc != 1)
		return wrong("status [--json]");
	return ask(config_file, (const char *const *)argv, 1, as_json, print_status, NULL);
}

int command_who(const char *config_file, int argc, char **argv)
{
	bool as_json = take_json_option(&argc, argv);
	if (argc != 1)
		return wrong("who [--json]");
	bool header = as_json;
	int status = ask(config_file, (const char *const *)argv, 1, as_json, print_who, &header);
	if (status == EXIT_SUCCESS)
		print_who_header(&header);
	return status;
}

int command_reload(const char *config_file, int argc, char **argv)
{
	if (argc != 1)
		return wrong("reload");
	return ask(config_file, (const char *const *)argv, 1, false, print_text, NULL);
}

int command_trace(const char *config_file, int argc, char **argv)
{
	bool as_json = take_json_option(&argc, argv);
	if (argc != 1)
		return wrong("trace [--json]");
	return ask(config_file, (const char *const *)argv, 1, as_json, print_text, NULL);
}

int command_pause(const char *config_file, int argc, char **argv)
{
	if (argc != 2 || (strcmp(argv[1], "in") != 0 && strcmp(argv[1], "out") != 0))
		return wrong("pause|resume in|out");
	return ask(config_file, (const char *const *)argv, 2, false, print_text, NULL);
}
