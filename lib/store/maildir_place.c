/* Places: which directory a mailbox is, and opening it. */
#include "store/maildir.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "store/beneath.h"

/* -- In memory ------------------------------------------------------------------------ */

static struct msv_place *place_new(
    struct msv_env *env, const char *base, const char *account, const char *folder)
{
	size_t nbase = strlen(base) + 1, naccount = strlen(account) + 1;
	size_t nfolder = strlen(folder) + 1;
	struct msv_place *place = msv_alloc(env, sizeof(*place) + nbase + naccount + nfolder);

	if (!place)
		return NULL;
	place->refs = 1;
	place->env = env;
	place->base = memcpy(place->text, base, nbase);
	place->account = memcpy(place->text + nbase, account, naccount);
	place->folder = memcpy(place->text + nbase + naccount, folder, nfolder);
	return place;
}

int msv_place_of(struct msv_maildir *maildir, const struct msv_actor *actor, const char *mailbox,
    struct msv_place **out)
{
	struct msv_env *env = maildir->env;
	char *base = NULL, *account = NULL;
	struct msv_buf folder;
	const char *name;
	int error;

	*out = NULL;
	msv_buf_init(&folder, env);
	error = mailbox ? msv_layout_folder(&maildir->layout, mailbox, &folder) : 0;
	if (!error)
		error = msv_location_expand(
		    env, maildir->location, maildir->root, actor, &base, &account);
	if (!error) {
		name = msv_buf_cstr(&folder);
		*out = name ? place_new(env, base, account, name) : NULL;
		error = *out ? 0 : MSV_ERR_NOMEM;
	}
	msv_free(env, base);
	msv_free(env, account);
	msv_buf_fini(&folder);
	return error;
}

struct msv_place *msv_place_sibling(const struct msv_place *place, const char *folder)
{
	return place_new(place->env, place->base, place->account, folder);
}

struct msv_place *msv_place_ref(struct msv_place *place)
{
	place->refs++;
	return place;
}

void msv_place_unref(struct msv_place *place)
{
	if (place && --place->refs == 0)
		msv_free(place->env, place);
}

bool msv_place_same(const struct msv_place *a, const struct msv_place *b)
{
	return strcmp(a->base, b->base) == 0 && strcmp(a->account, b->account) == 0 &&
	       strcmp(a->folder, b->folder) == 0;
}

/* -- On disk --------------------------------------------------------------------------- */

int msv_place_make(int dir)
{
	struct msv_stamp stamp;

	if (msv_stamp_at(dir, "cur", &stamp) == 0)
		return MSV_ERR_EXISTS;
	if ((mkdirat(dir, "tmp", 0700) != 0 && errno != EEXIST) ||
	    (mkdirat(dir, "new", 0700) != 0 && errno != EEXIST) || mkdirat(dir, "cur", 0700) != 0)
		return msv_disk_error(errno);
	return msv_disk_sync_dir(dir);
}

/* The administrator's directory and those above it, made where missing. */
static int make_base(const char *base)
{
	int from = open(base[0] == '/' ? "/" : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd;
	char part[256];

	while (from >= 0) {
		base += strspn(base, "/");
		size_t n = strcspn(base, "/");
		if (!n)
			break;
		if (n >= sizeof(part)) {
			close(from);
			return MSV_ERR_LIMIT;
		}
		memcpy(part, base, n);
		part[n] = '\0';
		base += n;
		if (mkdirat(from, part, 0700) == 0)
			fsync(from);
		fd = openat(from, part, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		int saved = errno;
		close(from);
		errno = saved;
		from = fd;
	}
	return from < 0 ? msv_disk_error(errno) : from;
}

/* A descriptor; AT_FDCWD where the process stands, which need not be opened. */
static int open_base(const struct msv_place *place, bool make)
{
	/* "." or "./" */
	if (place->base[0] == '.' && !place->base[1 + strspn(place->base + 1, "/")])
		return AT_FDCWD;
	int fd = open(place->base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	return errno == ENOENT && make ? make_base(place->base) : msv_disk_error(errno);
}

static int open_account(int base, const struct msv_place *place, bool make)
{
	int fd = msv_beneath_open(base, place->account, O_RDONLY | O_DIRECTORY, 0);

	if (fd < 0 && errno == ENOENT && make && msv_beneath_mkdirs(base, place->account) == 0)
		fd = msv_beneath_open(base, place->account, O_RDONLY | O_DIRECTORY, 0);
	return fd < 0 ? msv_disk_error(errno) : fd;
}

int msv_place_base(const struct msv_place *place)
{
	return open_base(place, false);
}

int msv_place_root(const struct msv_place *place, bool make)
{
	int base = open_base(place, make), fd, error;

	if (base < 0 && base != AT_FDCWD)
		return base;
	fd = open_account(base, place, make);
	if (base >= 0)
		close(base);
	if (fd < 0 || !make)
		return fd;
	error = msv_place_make(fd);
	if (error && error != MSV_ERR_EXISTS) {
		close(fd);
		return error;
	}
	return fd;
}

int msv_place_open(const struct msv_place *place)
{
	int root = msv_place_root(place, !*place->folder), fd;
	struct msv_stamp stamp;

	if (root < 0 || !*place->folder)
		return root;
	fd = msv_beneath_open(root, place->folder, O_RDONLY | O_DIRECTORY, 0);
	close(root);
	if (fd < 0)
		return msv_disk_error(errno);
	if (msv_stamp_at(fd, "cur", &stamp) == 0)
		return fd;
	close(fd);
	return MSV_ERR_NOTFOUND;
}
