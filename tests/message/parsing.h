/* Parsing whole texts in the tests, in pieces of any kind, and telling what came
 * out. */
#ifndef TESTS_MESSAGE_PARSING_H
#define TESTS_MESSAGE_PARSING_H

#include <dirent.h>
#include <stdio.h>

#include "buf_fixture.h"
#include "message/bodystructure.h"
#include "message/envelope.h"

/* The structure of n bytes pushed in pieces: `first` bytes, then `rest` at a
 * time (0: all).  NULL with *rc on error. */
static inline struct msv_mime *parse_pieces(const char *p, size_t n, size_t first, size_t rest,
    const struct msv_mime_limits *limits, int *rc)
{
	struct msv_mime_parser *parser;
	struct msv_mime *mime = NULL;
	size_t piece = first;

	*rc = msv_mime_parser_new(env, limits, &parser);
	if (*rc < 0)
		return NULL;
	for (size_t at = 0; at < n && *rc == 0; at += piece, piece = rest ? rest : n) {
		if (piece > n - at)
			piece = n - at;
		*rc = msv_mime_parser_push(parser, p + at, piece);
	}
	if (*rc == 0)
		*rc = msv_mime_parser_finish(parser, &mime);
	msv_mime_parser_free(parser);
	return mime;
}

static inline struct msv_mime *parse_bytes(const char *p, size_t n)
{
	int rc;
	struct msv_mime *mime = parse_pieces(p, n, n, 0, NULL, &rc);

	ck_assert_int_eq(rc, 0);
	return mime;
}

static inline struct msv_mime *parse_text(const char *text)
{
	return parse_bytes(text, strlen(text));
}

static inline void tell_range(const char *name, const struct msv_range *r)
{
	msv_buf_printf(&out, " %s %llu+%llu wire %llu+%llu lines %llu", name,
	    (unsigned long long)r->start, (unsigned long long)r->len,
	    (unsigned long long)r->wire_start, (unsigned long long)r->wire_len,
	    (unsigned long long)r->lines);
}

/* Writes all there is to tell of a structure to `out`. */
static inline void tell(const struct msv_mime *mime)
{
	msv_buf_printf(&out, "%llu %llu %llu %d\n", (unsigned long long)mime->size,
	    (unsigned long long)mime->wire_size, (unsigned long long)mime->lines, mime->limited);
	for (const struct msv_part *part = mime->root; part; part = msv_part_next(part)) {
		msv_buf_printf(&out, "%u kind %d", part->depth, (int)part->kind);
		tell_range("header", &part->header);
		tell_range("body", &part->body);
		msv_buf_putc(&out, '\n');
	}
	ck_assert_int_eq(msv_envelope_write(mime->root->envelope, &out), 0);
	msv_buf_putc(&out, '\n');
	ck_assert_int_eq(msv_bodystructure_write(mime, true, &out), 0);
}

static inline void read_file(const char *name, struct msv_buf *to)
{
	FILE *file = fopen(name, "rb");
	char piece[4096];
	size_t n;

	ck_assert_ptr_nonnull(file);
	while ((n = fread(piece, 1, sizeof piece, file)) > 0)
		msv_buf_put(to, piece, n);
	fclose(file);
}

/* Calls fn for each file of a directory that ends in .eml; how many. */
static inline size_t each_message(const char *directory, void (*fn)(const char *p, size_t n))
{
	DIR *dir = opendir(directory);
	struct dirent *entry;
	size_t count = 0;

	while (dir && (entry = readdir(dir))) {
		size_t len = strlen(entry->d_name);
		char name[8192];
		struct msv_buf text;

		if (len < 4 || strcmp(entry->d_name + len - 4, ".eml") != 0)
			continue;
		snprintf(name, sizeof name, "%s/%s", directory, entry->d_name);
		msv_buf_init(&text, env);
		read_file(name, &text);
		fn(msv_buf_data(&text), msv_buf_len(&text));
		msv_buf_fini(&text);
		count++;
	}
	if (dir)
		closedir(dir);
	return count;
}

/* A path below the source root. */
static inline const char *source_path(const char *below)
{
	static char path[4096];
	const char *root = getenv("MSV_SOURCE_ROOT");

	snprintf(path, sizeof path, "%s/%s", root ? root : ".", below);
	return path;
}

#endif
