/* Writes a notification to standard output: dsn_sample NAME.  dsn_report.py reads it. */
#include <stdio.h>

#include <mailserv/testing.h>

#include "dsn_sample.h"

static const char utf8_text[] = "Message-ID: <two@example.org>\r\n"
                                "Subject: Gr\xc3\xbc\xc3\x9f"
                                "e\r\n"
                                "Content-Type: text/plain; charset=utf-8\r\n"
                                "Content-Transfer-Encoding: 8bit\r\n"
                                "\r\n"
                                "Bl\xc3\xb6"
                                "de = Sache \r\n";

static const struct msv_dsn_recipient one = { .action = MSV_DSN_FAILED,
	.address = "j\xc3\xb6rg@example.com",
	.orcpt = "utf-8;j\xc3\xb6rg@example.com",
	.code = 552,
	.status = "5.2.2",
	.text = "the mailbox is full",
	.remote = true,
	.host = "mx.example.com" };

int main(int argc, char **argv)
{
	struct sample_message message = { .p = sample_text, .n = sizeof sample_text - 1 };
	struct msv_dsn dsn = sample_dsn(&message);
	const char *name = argc > 1 ? argv[1] : "";
	struct msv_test_env *test;
	struct msv_buf out;

	dsn.full = strstr(name, "full") != NULL;
	if (strstr(name, "utf8")) {
		message = (struct sample_message){ .p = utf8_text, .n = sizeof utf8_text - 1 };
		dsn.recipients = &one;
		dsn.nrecipients = 1;
	}
	if (strstr(name, "smtputf8"))
		dsn.to = "\xc3\xa4nn@example.org";
	if (msv_test_env_new(1, &test) < 0)
		return 1;
	msv_buf_init(&out, msv_test_env(test));
	int rc = sample_write(msv_test_env(test), &dsn, &out, NULL, NULL);
	fwrite(msv_buf_data(&out), 1, msv_buf_len(&out), stdout);
	msv_buf_fini(&out);
	return msv_test_env_free(test) == 0 && rc == 0 ? 0 : 1;
}
