/*
 * The small files of a Maildir: dovecot-uidlist, dovecot-keywords, subscriptions,
 * mailserv-attributes, names of messages and of folders.  Whatever the bytes, and
 * whatever pieces they come in, what was understood is written so that it is
 * understood again.
 *
 * The first byte says which file it is, the second how the pieces fall.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "store/attributes.h"
#include "store/filename.h"
#include "store/keywords.h"
#include "store/location.h"
#include "store/subscriptions.h"
#include "store/uidlist.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Unlike assert(), there in every build. */
#define MUST(what) \
	do { \
		if (!(what)) { \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #what); \
			abort(); \
		} \
	} while (0)

static struct msv_env *env;

/* -- dovecot-uidlist -------------------------------------------------------------------------- */

/* What a reader found, written anew. */
static int write_record(void *user, const struct msv_uidlist_record *record)
{
	char line[MSV_UIDLIST_LINE + 16];
	struct msv_uidlist_record again;
	struct msv_span value;
	size_t n = msv_uidlist_format_record(record, line, sizeof(line));

	MUST(n > 0);
	MUST(msv_uidlist_parse_record(3, line, n - 1, &again) == 0);
	MUST(again.uid == record->uid && again.base.n == record->base.n);
	MUST(memcmp(again.base.p, record->base.p, again.base.n) == 0);
	if (msv_uidlist_key(&record->keys, 'G', &value))
		MUST(!memchr(value.p, ' ', value.n));
	MUST(msv_buf_put(user, line, n) == 0);
	return 0;
}

static int read_list(
    struct msv_uidlist_reader *reader, const char *p, size_t n, size_t step, struct msv_buf *out)
{
	int error = 0;

	*reader = (struct msv_uidlist_reader){ 0 };
	for (size_t at = 0; !error && at < n; at += step)
		error = msv_uidlist_read(
		    reader, p + at, n - at < step ? n - at : step, write_record, out);
	return error;
}

static void fuzz_uidlist(const char *p, size_t n, size_t step)
{
	static struct msv_uidlist_reader whole, pieces;
	struct msv_buf a, b;
	char header[MSV_UIDLIST_HEADER_SIZE];

	msv_buf_init(&a, env);
	msv_buf_init(&b, env);
	int error = read_list(&whole, p, n, n + 1, &a);
	MUST(read_list(&pieces, p, n, step, &b) == error);
	if (!error) {
		MUST(whole.offset == pieces.offset && whole.pending == pieces.pending);
		MUST(whole.offset + whole.pending == n);
		MUST(whole.bad == pieces.bad && whole.last == pieces.last);
		MUST(msv_buf_len(&a) == msv_buf_len(&b));
		MUST(memcmp(msv_buf_data(&a), msv_buf_data(&b), msv_buf_len(&a)) == 0);
		MUST(msv_uidlist_last_uid(3, msv_buf_data(&a), msv_buf_len(&a)) == whole.last);
		(void)msv_uidlist_last_uid(whole.header.version, p, n);
	}
	if (!error && whole.has_header) {
		size_t len = msv_uidlist_format_header(&whole.header, header);
		MUST(len < sizeof(header));
		MUST(msv_uidlist_parse_header(header, len - 1, &pieces.header) == 0);
		MUST(pieces.header.uidvalidity == whole.header.uidvalidity);
		MUST(pieces.header.uidnext == whole.header.uidnext);
		MUST(strcmp(pieces.header.guid, whole.header.guid) == 0);
	}
	msv_buf_fini(&a);
	msv_buf_fini(&b);
}

/* -- dovecot-keywords ---------------------------------------------------------------------------- */

static void fuzz_keywords(const char *p, size_t n, size_t step)
{
	static struct msv_keywords keywords, again;
	char text[MSV_KEYWORDS_SIZE];

	(void)step;
	msv_keywords_parse(p, n, &keywords);
	n = msv_keywords_format(&keywords, text);
	MUST(n < sizeof(text));
	msv_keywords_parse(text, n, &again);
	MUST(memcmp(&keywords, &again, sizeof(again)) == 0);
	for (int i = 0; i < MSV_MAX_LETTERS; i++) {
		if (keywords.name[i][0])
			MUST(msv_keywords_find(&keywords, keywords.name[i]) == i);
	}
	int letter = msv_keywords_add(&keywords, "one-more");
	MUST(letter == MSV_ERR_LIMIT || letter == msv_keywords_find(&keywords, "one-more"));
}

/* -- subscriptions ----------------------------------------------------------------------------------- */

static const struct msv_layout layouts[] = {
	{ false, '.', "" },
	{ false, '/', "" },
	{ false, '.', "INBOX." },
	{ true, '/', "" },
};

/* A line that is a mailbox's comes back from the mailbox. */
static void check_line(const struct msv_layout *layout, const char *line, size_t n)
{
	struct msv_buf mailbox, back, folder;

	msv_buf_init(&mailbox, env);
	msv_buf_init(&back, env);
	msv_buf_init(&folder, env);
	if (msv_layout_mailbox_of_line(layout, line, n, &mailbox) == 0) {
		const char *name = msv_buf_data(&mailbox);
		MUST(msv_mailbox_name_valid(name, layout->separator));
		MUST(msv_layout_line(layout, name, &back) == 0);
		MUST(msv_buf_len(&back) == n && memcmp(msv_buf_data(&back), line, n) == 0);
		if (msv_layout_folder(layout, name, &folder) == 0)
			MUST(!strstr(msv_buf_cstr(&folder), "..") ||
			     strcmp(layout->prefix, "") == 0 || layout->fs);
	}
	msv_buf_fini(&mailbox);
	msv_buf_fini(&back);
	msv_buf_fini(&folder);
}

static void fuzz_subscriptions(const char *p, size_t n, size_t step)
{
	const struct msv_layout *layout = &layouts[step % 4];
	char separator = msv_layout_disk_separator(layout);
	struct msv_subscriptions walk;
	struct msv_buf line, out, again;
	bool changed;

	msv_buf_init(&line, env);
	msv_buf_init(&out, env);
	msv_buf_init(&again, env);
	msv_subscriptions_begin(&walk, p, n, separator);
	while (msv_subscriptions_next(&walk, &line) > 0)
		check_line(layout, msv_buf_data(&line), msv_buf_len(&line));
	struct msv_span file = { p, n }, mine = { "mine\tx", 6 };
	MUST(msv_subscriptions_edit(file, separator, mine, true, &out, &changed) == 0);
	/* What it wrote it reads, and need not write again. */
	file = (struct msv_span){ msv_buf_data(&out), msv_buf_len(&out) };
	MUST(msv_subscriptions_edit(file, separator, mine, true, &again, &changed) == 0);
	MUST(!changed);
	msv_buf_clear(&again);
	MUST(msv_subscriptions_edit(file, separator, mine, false, &again, &changed) == 0);
	MUST(changed && msv_buf_len(&again) + mine.n + 1 == file.n);
	msv_buf_fini(&line);
	msv_buf_fini(&out);
	msv_buf_fini(&again);
}

/* -- mailserv-attributes ------------------------------------------------------------------------------ */

static void fuzz_attributes(const char *p, size_t n, size_t step)
{
	struct msv_attributes_edit edit = {
		.uidvalidity = (uint32_t)step,
		.set = { "A\tB", 3 },
		.use = MSV_USE_SENT,
		.from = { "C", 1 },
		.to = { "D\tE", 3 },
	};
	struct msv_attributes_edit none = { 0 };
	struct msv_span file = { p, n }, mailbox;
	struct msv_buf out, again;
	uint32_t use;
	bool found = false;

	msv_buf_init(&out, env);
	msv_buf_init(&again, env);
	MUST(msv_attributes_edit(file, &edit, &out) == 0);
	file = (struct msv_span){ msv_buf_data(&out), msv_buf_len(&out) };
	MUST(msv_attributes_uidvalidity(file.p, file.n) == step);
	MUST(msv_attributes_edit(file, &none, &again) == 0);
	MUST(msv_buf_len(&again) == file.n);
	MUST(memcmp(msv_buf_data(&again), file.p, file.n) == 0);
	while (msv_attributes_next_use(&file, &mailbox, &use)) {
		MUST(!(mailbox.n == 1 && mailbox.p[0] == 'C'));
		if (mailbox.n == 3 && memcmp(mailbox.p, "A\tB", 3) == 0) {
			MUST(!found && use == MSV_USE_SENT);
			found = true;
		}
	}
	MUST(found);
	msv_buf_fini(&out);
	msv_buf_fini(&again);
}

/* -- Names ------------------------------------------------------------------------------------------------ */

static void fuzz_filename(const char *p, size_t n, size_t step)
{
	struct msv_filename name, again;
	char text[512], info[MSV_FILENAME_SIZE];
	uint64_t size;

	if (n >= 400 || !memcpy(text, p, n))
		return;
	text[n] = '\0';
	if (!msv_filename_parse(text, &name))
		return;
	(void)msv_filename_size(name.base.p, name.base.n, 'S', &size);
	uint32_t flags = (uint32_t)step & 127 & ~(uint32_t)MSV_FLAG_RECENT;
	if (msv_filename_change_info(name.info, flags, name.letters, info, sizeof(info)) != 0)
		return;
	char changed[1024];
	snprintf(changed, sizeof(changed), "%.*s%s", (int)name.base.n, name.base.p, info);
	if (!msv_filename_parse(changed, &again))
		return; /* too long now */
	MUST(again.flags == flags && again.letters == name.letters);
	MUST(again.base.n == name.base.n);
}

static void fuzz_mailbox(const char *p, size_t n, size_t step)
{
	const struct msv_layout *layout = &layouts[step % 4];
	struct msv_buf name, folder, back;

	msv_buf_init(&name, env);
	msv_buf_init(&folder, env);
	msv_buf_init(&back, env);
	msv_buf_put(&name, p, n);
	const char *mailbox = msv_buf_cstr(&name);
	if (msv_layout_folder(layout, mailbox, &folder) == 0) {
		const char *path = msv_buf_cstr(&folder);
		MUST(path[0] != '/' && strcmp(path, "..") != 0 && strncmp(path, "../", 3) != 0);
		MUST(!strstr(path, "/../") && strlen(path) < 8192);
		MUST(layout->fs || !strchr(path, '/'));
		MUST(msv_layout_mailbox(layout, path, &back) == 0);
		MUST(strcmp(msv_buf_data(&back), mailbox) == 0);
	}
	check_line(layout, p, n);
	msv_buf_fini(&name);
	msv_buf_fini(&folder);
	msv_buf_fini(&back);
}

static void (*const files[])(const char *p, size_t n, size_t step) = { fuzz_uidlist, fuzz_keywords,
	fuzz_subscriptions, fuzz_attributes, fuzz_filename, fuzz_mailbox };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	if (n < 2 || (!env && msv_env_new(NULL, &env) != 0))
		return 0;
	files[data[0] % (sizeof(files) / sizeof(files[0]))](
	    (const char *)data + 2, n - 2, (size_t)data[1] + 1);
	return 0;
}
