/* Mistakes in files, told with file and line. */
#include <stdio.h>
#include <string.h>

#include "mta/aliases.h"

/* Names of files and pieces of them are cut to this. */
#define REPORT_SIZE 600

void msv_alias_report(struct msv_alias_reports *reports, enum msv_log_level level, const char *file,
    unsigned line, const char *fmt, ...)
{
	char text[REPORT_SIZE];
	va_list ap;

	if (reports->count > MSV_ALIAS_REPORTS_MAX)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	if (reports->count++ == MSV_ALIAS_REPORTS_MAX)
		msv_buf_printf(&reports->lines, "%d%s: more mistakes, not told", level, file);
	else
		msv_buf_printf(&reports->lines, "%d%s:%u: %s", level, file, line, text);
	msv_buf_putc(&reports->lines, '\0');
}

void msv_alias_reports_tell(
    struct msv_alias_reports *reports, msv_alias_report_fn report, void *user)
{
	const char *p = msv_buf_data(&reports->lines);
	const char *end = p + msv_buf_len(&reports->lines);

	for (; report && p < end; p += strlen(p) + 1)
		report(user, (enum msv_log_level)(*p - '0'), p + 1);
	msv_buf_fini(&reports->lines);
}
