#include <stdio.h>

#include "tls/tls.h"

void msv_tls_report_init(
    struct msv_tls_report *report, struct msv_env *env, const struct msv_tls_options *options)
{
	*report = (struct msv_tls_report){
		.env = env,
		.line = options->report,
		.user = options->user,
	};
}

/* File names and certificate subjects may hold anything: one line stays one line. */
static void tame(char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			*s = '?';
}

void msv_tls_say(struct msv_tls_report *report, enum msv_log_level level, const char *fmt, ...)
{
	char line[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	tame(line);
	if (level == MSV_LOG_WARN)
		report->warnings++;
	if (report->line)
		report->line(report->user, level, line);
	else
		msv_env_log(report->env, level, "%s", line);
}
