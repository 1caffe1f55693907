/* A part's text, decoded. */
#include <string.h>

#include "base/alloc.h"
#include "codec/casefold.h"
#include "codec/charset.h"
#include "message/mime.h"

/* Decoded in pieces of this size, so that little is held at a time. */
#define PIECE 4096

struct msv_part_reader {
	struct msv_env *env;
	struct msv_transfer transfer;
	struct msv_charset *charset; /* NULL: bytes as they are */
	struct msv_buf bytes, text;
	int (*put)(void *user, const char *p, size_t n);
	void *user;
};

/*
 * The charset of a text part.  us-ascii (and none, which means it) is read as
 * UTF-8: 8-bit bytes in it mean nothing by the RFC, and are most often that.
 */
static int open_charset(struct msv_part_reader *r, const struct msv_part *part)
{
	const char *name = msv_part_param(part, "charset");
	int rc = MSV_ERR_UNSUPPORTED;

	if (name && !msv_ascii_equals(name, strlen(name), "us-ascii"))
		rc = msv_charset_open(r->env, name, strlen(name), &r->charset);
	if (rc == MSV_ERR_UNSUPPORTED)
		rc = msv_charset_open(r->env, "utf-8", 5, &r->charset);
	return rc;
}

int msv_part_reader_new(const struct msv_part *part, bool raw,
    int (*put)(void *user, const char *p, size_t n), void *user, struct msv_part_reader **out)
{
	struct msv_env *env = part->mime->env;
	struct msv_part_reader *r = msv_alloc(env, sizeof *r);

	if (!r)
		return MSV_ERR_NOMEM;
	r->env = env;
	r->put = put;
	r->user = user;
	msv_buf_init(&r->bytes, env);
	msv_buf_init(&r->text, env);
	msv_transfer_init(&r->transfer, msv_part_encoding(part));
	if (!raw && msv_part_is(part, "text", NULL) && open_charset(r, part) < 0) {
		msv_part_reader_free(r);
		return MSV_ERR_NOMEM;
	}
	*out = r;
	return 0;
}

/* Gives what was decoded. */
static int give(struct msv_part_reader *r, bool last)
{
	struct msv_buf *from = &r->bytes;
	int rc = 0;

	if (r->charset) {
		from = &r->text;
		rc = msv_charset_push(
		    r->charset, msv_buf_data(&r->bytes), msv_buf_len(&r->bytes), &r->text);
		if (rc == 0 && last)
			rc = msv_charset_end(r->charset, &r->text);
	}
	if (rc == 0 && msv_buf_len(from) > 0)
		rc = r->put(r->user, msv_buf_data(from), msv_buf_len(from));
	msv_buf_clear(&r->bytes);
	msv_buf_clear(&r->text);
	return rc;
}

int msv_part_reader_push(struct msv_part_reader *reader, const void *p, size_t n)
{
	const char *s = p;
	int rc = 0;

	while (n > 0 && rc == 0) {
		size_t piece = n < PIECE ? n : PIECE;

		rc = msv_transfer_push(&reader->transfer, s, piece, &reader->bytes);
		if (rc == 0)
			rc = give(reader, false);
		s += piece;
		n -= piece;
	}
	return rc;
}

int msv_part_reader_finish(struct msv_part_reader *reader)
{
	int rc = msv_transfer_end(&reader->transfer, &reader->bytes);

	return rc < 0 ? rc : give(reader, true);
}

void msv_part_reader_free(struct msv_part_reader *reader)
{
	if (!reader)
		return;
	msv_charset_free(reader->charset);
	msv_buf_fini(&reader->bytes);
	msv_buf_fini(&reader->text);
	msv_free(reader->env, reader);
}
