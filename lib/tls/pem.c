#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tls/tls.h"

/* A chain of a dozen RSA-4096 certificates is 25 KiB. */
#define PEM_MAX ((size_t)1 << 20)

/* The words for errno, and the code. */
static int report_errno(struct msv_tls_report *report, const char *what, const char *file, int err)
{
	struct stat st;

	switch (err) {
	case ENOENT:
	case ENOTDIR:
		if (lstat(file, &st) == 0)
			msv_tls_say(report, MSV_LOG_ERROR,
			    "%s: the %s is a link to a file that is not there; issue the "
			    "certificate again, "
			    "or correct the link",
			    file, what);
		else
			msv_tls_say(report, MSV_LOG_ERROR,
			    "%s: no such %s file; correct the path, or issue the certificate first",
			    file, what);
		return MSV_ERR_NOTFOUND;
	case EACCES:
	case EPERM:
		msv_tls_say(report, MSV_LOG_ERROR,
		    "%s: no permission to read the %s (as user id %lu); give that user read access "
		    "to the "
		    "file and its directories",
		    file, what, (unsigned long)geteuid());
		return MSV_ERR_DENIED;
	case EISDIR:
		msv_tls_say(report, MSV_LOG_ERROR,
		    "%s: is a directory, not a %s file; name the PEM file inside it", file, what);
		return MSV_ERR_TLS;
	default:
		msv_tls_say(
		    report, MSV_LOG_ERROR, "%s: cannot read the %s: %s", file, what, strerror(err));
		return MSV_ERR_IO;
	}
}

/* Reads up to n bytes, less only at the end of the file; -1 with errno. */
static ssize_t read_full(int fd, char *p, size_t n)
{
	size_t got = 0;

	while (got < n) {
		ssize_t r = read(fd, p + got, n - got);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -1;
		if (r == 0)
			break;
		got += (size_t)r;
	}
	return (ssize_t)got;
}

static int read_open_file(
    struct msv_pem *pem, struct msv_tls_report *report, const char *what, int fd)
{
	struct stat st;
	ssize_t got;
	size_t size;

	if (fstat(fd, &st) < 0)
		return report_errno(report, what, pem->name, errno);
	if (S_ISDIR(st.st_mode))
		return report_errno(report, what, pem->name, EISDIR);
	if (!S_ISREG(st.st_mode) || (uintmax_t)st.st_size > PEM_MAX) {
		msv_tls_say(report, MSV_LOG_ERROR,
		    "%s: is not a %s file (%s); name a PEM file as an ACME client writes it",
		    pem->name, what,
		    S_ISREG(st.st_mode) ? "it is far too large" : "not a regular file");
		return MSV_ERR_TLS;
	}
	size = (size_t)st.st_size;
	pem->data = msv_alloc(pem->env, size + 1);
	if (!pem->data)
		return MSV_ERR_NOMEM;
	pem->p = pem->data;
	pem->n = size; /* all of it is wiped, also after a short read */
	got = read_full(fd, pem->data, size);
	if (got < 0)
		return report_errno(report, what, pem->name, errno);
	pem->n = (size_t)got;
	pem->mode = (unsigned)st.st_mode & 07777;
	return 0;
}

static int check_not_empty(
    const struct msv_pem *pem, struct msv_tls_report *report, const char *what)
{
	if (pem->n)
		return 0;
	msv_tls_say(report, MSV_LOG_ERROR, "%s: the %s file is empty; issue the certificate again",
	    pem->name, what);
	return MSV_ERR_TLS;
}

int msv_pem_open(struct msv_pem *pem, struct msv_tls_report *report, const char *what,
    const char *file, const void *data, size_t n)
{
	int fd, error;

	*pem = (struct msv_pem){ .env = report->env, .name = file ? file : what };
	if (data) {
		pem->p = data;
		pem->n = n;
		return check_not_empty(pem, report, what);
	}
	if (!file) {
		msv_tls_say(report, MSV_LOG_ERROR, "no %s file is named; name one", what);
		return MSV_ERR_INVAL;
	}
	/* Not blocking: a FIFO of that name must not hang the program. */
	fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return report_errno(report, what, file, errno);
	error = read_open_file(pem, report, what, fd);
	close(fd);
	if (!error)
		error = check_not_empty(pem, report, what);
	if (error)
		msv_pem_close(pem);
	return error;
}

void msv_pem_close(struct msv_pem *pem)
{
	msv_free_secret(pem->env, pem->data, pem->n);
	pem->data = NULL;
	pem->p = NULL;
	pem->n = 0;
}

bool msv_pem_has(const struct msv_pem *pem, const char *text)
{
	return memmem(pem->p, pem->n, text, strlen(text)) != NULL;
}
