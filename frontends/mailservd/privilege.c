/* Becoming the mail user, for good. */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#include "mailservd.h"

#define DEFAULT_USER "vmail"

int mail_user(const struct config *config, uid_t *uid, gid_t *gid)
{
	*uid = geteuid();
	*gid = getegid();
	if (*uid != 0) {
		const struct passwd *self = getpwuid(*uid);
		if (config->user && (!self || strcmp(self->pw_name, config->user) != 0))
			log_printf(MSV_LOG_WARN,
			    "not started as root: mail is owned by uid %u, not by %s; start as "
			    "root to change",
			    (unsigned)*uid, config->user);
		return 0;
	}
	const char *name = config->user ? config->user : DEFAULT_USER;
	const struct passwd *entry = getpwnam(name);
	if (!entry || entry->pw_uid == 0) {
		log_printf(MSV_LOG_ERROR,
		    "%s: the mail user %s %s; make one with: useradd --system %s, or "
		    "say user = another",
		    config->file, name, entry ? "is root" : "does not exist", DEFAULT_USER);
		return -1;
	}
	*uid = entry->pw_uid;
	*gid = entry->pw_gid;
	return 0;
}

int privileges_drop(const struct config *config, uid_t uid, gid_t gid)
{
	/* Entered while there is root, so that no directory above it need be open
	 * to the mail user. */
	if (chdir(config->mail_root) != 0) {
		log_printf(MSV_LOG_ERROR,
		    "%s: the mail directory: %s; make it, owned by the mail user",
		    config->mail_root, strerror(errno));
		return -1;
	}
	if (geteuid() != 0)
		return 0;
	if (setgroups(0, NULL) != 0 || setgid(gid) != 0 || setuid(uid) != 0 || setuid(0) == 0 ||
	    geteuid() != uid) {
		log_printf(MSV_LOG_ERROR, "cannot become the mail user (uid %u): %s", (unsigned)uid,
		    strerror(errno));
		return -1;
	}
	return 0;
}
