/* sendmail, mailq, newaliases: the command line programs expect. */
#include <errno.h>
#include <poll.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "config.h"
#include "mailservctl.h"
#include "sendmail.h"

static const char usage[] =
    "usage: sendmail [-t] [-i] [-f sender] [-F name] [recipient ...]\n"
    "       sendmail -bs | -bp | -q\n"
    "options: -B 8BITMIME, -N notify, -R full|hdrs, -V envid, -C file; others are accepted\n";

struct options {
	const char *config_file;
	const char *sender, *full_name, *envid;
	char mode; /* m, s, p, q or i */
	bool from_header, dot_ends;
	unsigned notify, ret;
};

/* Where the daemon listens, as its configuration says if we may read it. */
struct place {
	char *socket, *drop, *domain;
};

static void find_place(struct place *place, const char *config_file)
{
	struct config *config = access(config_file, R_OK) == 0 ? config_load(config_file) : NULL;
	char host[256] = "localhost";
	gethostname(host, sizeof host - 1);
	place->socket = strdup(config && config->submit ? config->submit : "/run/mailserv/submit");
	place->drop = strdup(config ? config->drop : "/var/spool/mailserv/drop");
	place->domain = strdup(config ? config->domains[0] : host);
	config_free(config);
}

static void place_fini(struct place *place)
{
	free(place->socket);
	free(place->drop);
	free(place->domain);
}

/* -- Options ------------------------------------------------------------------------ */

static unsigned notify_of(const char *words)
{
	static const struct {
		const char *word;
		unsigned bit;
	} bits[] = { { "never", MSV_NOTIFY_NEVER }, { "success", MSV_NOTIFY_SUCCESS },
		{ "failure", MSV_NOTIFY_FAILURE }, { "delay", MSV_NOTIFY_DELAY } };
	unsigned all = 0;
	for (size_t n; *words; words += n + (words[n] == ',')) {
		n = strcspn(words, ",");
		for (size_t i = 0; i < sizeof bits / sizeof *bits; i++)
			if (strlen(bits[i].word) == n && strncasecmp(words, bits[i].word, n) == 0)
				all |= bits[i].bit;
	}
	return all;
}

/* One option with its value.  0 or an exit status. */
static int take_option(struct options *o, int option, const char *value)
{
	switch (option) {
	case 't':
		o->from_header = true;
		return 0;
	case 'i':
		o->dot_ends = false;
		return 0;
	case 'I':
		o->mode = 'i';
		return 0;
	case 'f':
	case 'r':
		o->sender = value;
		return 0;
	case 'F':
		o->full_name = value;
		return 0;
	case 'C':
		o->config_file = value;
		return 0;
	case 'N':
		o->notify = notify_of(value);
		return 0;
	case 'R':
		o->ret = strncasecmp(value, "full", 4) == 0 ? 1 : 2;
		return 0;
	case 'V':
		o->envid = value;
		return 0;
	case 'o':
		o->dot_ends = o->dot_ends && *value != 'i';
		return 0;
	case 'q':
		o->mode = 'q';
		return 0;
	case 'b':
		o->mode = *value;
		return strchr("mspi", *value) && *value ? 0 : EX_USAGE;
	default:
		return option == '?' ? EX_USAGE : 0;
	}
}

static int take_options(struct options *o, int argc, char **argv)
{
	const char *name = strrchr(argv[0], '/') ? strrchr(argv[0], '/') + 1 : argv[0];
	int option, error = 0;
	*o = (struct options){ .config_file = CONFIG_DEFAULT, .mode = 'm', .dot_ends = true };
	if (strcmp(name, "mailq") == 0)
		o->mode = 'p';
	else if (strcmp(name, "newaliases") == 0)
		o->mode = 'i';
	/* -q may have a time behind it, which means nothing here. */
	while (!error && (option = getopt(
	                      argc, argv, "A:B:b:C:d:e:F:f:Gh:IiL:mN:nO:o:p:q::R:r:tUV:vX:")) != -1)
		error = take_option(o, option, optarg ? optarg : "");
	if (error)
		fputs(usage, stderr);
	return error;
}

/* -- Addresses ------------------------------------------------------------------------- */

/* "user" alone is of the first domain. */
static char *qualify(const struct place *place, const char *address)
{
	char *out = NULL;
	size_t n = strlen(address);
	if (n >= 2 && address[0] == '<' && address[n - 1] == '>') {
		address++;
		n -= 2;
	}
	bool bare = n > 0 && !memchr(address, '@', n);
	if (asprintf(
	        &out, "%.*s%s%s", (int)n, address, bare ? "@" : "", bare ? place->domain : "") < 0)
		return NULL;
	return out;
}

static char *own_address(const struct place *place)
{
	const struct passwd *user = getpwuid(getuid());
	char number[16];
	snprintf(number, sizeof number, "uid-%u", (unsigned)getuid());
	return qualify(place, user ? user->pw_name : number);
}

static int qualify_recipients(struct submission *s, const struct place *place)
{
	for (size_t i = 0; i < s->nrecipients; i++) {
		char *whole = qualify(place, s->recipients[i]);
		if (!whole)
			return -1;
		free(s->recipients[i]);
		s->recipients[i] = whole;
	}
	return 0;
}

/* Addresses beyond ASCII need a way that knows them.  Programs that write such text in
 * other fields always got through, and do. */
static bool beyond_ascii(const char *address)
{
	for (; *address; address++)
		if ((unsigned char)*address >= 128)
			return true;
	return false;
}

static void set_smtputf8(struct submission *s)
{
	s->smtputf8 = beyond_ascii(s->from);
	for (size_t i = 0; i < s->nrecipients; i++)
		s->smtputf8 |= beyond_ascii(s->recipients[i]);
}

/* -- What it does ----------------------------------------------------------------------------- */

/* What the daemon cannot take now - it is down, or paused, or its disk is full - waits
 * in the drop: the program that sends has no queue. */
static int send_or_drop(struct submission *s, const struct place *place)
{
	int status = submit(place->socket, s, stderr);
	if (status >= 0 && s->nrecipients == 0)
		return status;
	int dropped = drop_write(place->drop, s, stderr);
	if (status >= 0 && dropped == EX_OK)
		fputs("sendmail: it is tried again later\n", stderr);
	return status < 0 ? dropped : status == EX_TEMPFAIL && dropped == EX_OK ? EX_OK : status;
}

static int mail(const struct options *o, const struct place *place, char **recipients)
{
	struct submission s = { .notify = o->notify, .ret = o->ret };
	char *own = own_address(place);
	int status = EX_OSERR;
	s.from = o->sender ? qualify(place, o->sender) : own ? strdup(own) : NULL;
	s.envid = o->envid ? strdup(o->envid) : NULL;
	struct composing how = { .from = s.from && *s.from ? s.from : own,
		.full_name = o->full_name,
		.from_header = o->from_header };
	bool good = own && s.from;
	for (; good && *recipients; recipients++)
		good = submission_add(&s, *recipients) == 0;
	if (good)
		status = compose(&s, stdin, o->dot_ends, &how);
	if (status == EX_OK && qualify_recipients(&s, place) != 0)
		status = EX_OSERR;
	if (status == EX_OK && s.nrecipients == 0) {
		fputs("sendmail: no recipients: name them, or use -t\n", stderr);
		status = EX_USAGE;
	}
	if (status == EX_OK) {
		set_smtputf8(&s);
		status = send_or_drop(&s, place);
	}
	free(own);
	submission_fini(&s);
	return status;
}

/* Moves what is there from one descriptor to the other.  False at the end. */
static bool pump(int from, int to)
{
	char piece[8192];
	ssize_t n = read(from, piece, sizeof piece), at = 0;
	while (n > 0 && at < n) {
		ssize_t wrote = write(to, piece + at, (size_t)(n - at));
		if (wrote < 0)
			return false;
		at += wrote;
	}
	return n > 0;
}

/* -bs: SMTP on standard input and output. */
static int speak_smtp(const struct place *place)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || strlen(place->socket) >= sizeof sun.sun_path)
		return EX_OSERR;
	memcpy(sun.sun_path, place->socket, strlen(place->socket));
	if (connect(fd, (struct sockaddr *)&sun, sizeof sun) != 0) {
		printf("421 4.3.2 mailservd does not run: %s\r\n", strerror(errno));
		return EX_TEMPFAIL;
	}
	struct pollfd fds[] = { { .fd = 0, .events = POLLIN }, { .fd = fd, .events = POLLIN } };
	for (;;) {
		if (poll(fds, 2, -1) < 0)
			return EX_OSERR;
		if (fds[1].revents && !pump(fd, 1))
			return EX_OK;
		if (fds[0].revents && !pump(0, fd)) {
			shutdown(fd, SHUT_WR);
			fds[0].fd = -1;
		}
	}
}

int main(int argc, char **argv)
{
	struct options o;
	struct place place;
	char list[] = "list", retry[] = "retry", all[] = "all", queue[] = "queue";
	char *show[] = { queue, list, NULL }, *run[] = { queue, retry, all, NULL };
	int status = take_options(&o, argc, argv);
	if (status)
		return status;
	switch (o.mode) {
	case 'p':
		return command_queue(o.config_file, 2, show);
	case 'q':
		return command_queue(o.config_file, 3, run);
	case 'i':
		puts("the aliases file is read again by itself when it changes");
		return EX_OK;
	default:
		find_place(&place, o.config_file);
		status = o.mode == 's' ? speak_smtp(&place) : mail(&o, &place, argv + optind);
		place_fini(&place);
		return status;
	}
}
