/* What check.c and check_sending.c share. */
#ifndef MAILSERV_CONFIG_CHECK_H
#define MAILSERV_CONFIG_CHECK_H

#include "config.h"

struct findings {
	unsigned errors, warnings;
};

/* Tells and counts a finding; `user` is the findings. */
void finding_report(void *user, enum msv_log_level level, const char *line);
void finding(struct findings *findings, enum msv_log_level level, const char *format, ...)
    MSV_PRINTF(3, 4);

/* True when this user may write to the directory; else it is told with `what` it is. */
bool check_writable(
    const char *path, const char *what, uid_t uid, gid_t gid, struct findings *findings);

/* Aliases, secrets, routes, senders; the queue's directory of the mail user. */
void check_sending(const struct config *config, struct findings *findings);
void check_queue(const struct config *config, uid_t uid, gid_t gid, struct findings *findings);

#endif
