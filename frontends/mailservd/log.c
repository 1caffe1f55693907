/* The log: syslog, or a file or standard error with the time in front. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <time.h>

#include "mailservd.h"

static bool to_syslog;
static FILE *to_file;
static enum msv_log_level most = MSV_LOG_INFO;

int log_open(const struct config *config, bool foreground)
{
	most = config->log_level;
	to_syslog = config->log_syslog && !foreground;
	if (config->log_file && !(to_file = fopen(config->log_file, "ae"))) {
		fprintf(stderr, "%s: the log cannot be written: %s; make its directory\n",
		    config->log_file, strerror(errno));
		return -1;
	}
	tzset();
	if (to_syslog)
		openlog("mailservd", LOG_PID | LOG_NDELAY, LOG_MAIL);
	return 0;
}

void log_line(void *user, enum msv_log_level level, const char *line)
{
	static const int priorities[] = { LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG };
	static const char *const words[] = { "error: ", "warning: ", "", "debug: " };
	(void)user;
	if (level > most)
		return;
	if (to_syslog) {
		syslog(priorities[level], "%s%s", words[level], line);
		return;
	}
	struct timespec now;
	struct tm tm;
	char stamp[32];
	clock_gettime(CLOCK_REALTIME, &now);
	localtime_r(&now.tv_sec, &tm);
	strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &tm);
	FILE *out = to_file ? to_file : stderr;
	fprintf(out, "%s.%03d mailservd: %s%s\n", stamp, (int)(now.tv_nsec / 1000000), words[level],
	    line);
	fflush(out);
}

void log_printf(enum msv_log_level level, const char *format, ...)
{
	char line[2048];
	va_list args;
	va_start(args, format);
	vsnprintf(line, sizeof line, format, args);
	va_end(args);
	log_line(NULL, level, line);
}
