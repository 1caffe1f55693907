/*
 * Prints what IMAP's FETCH would say of messages in files:
 *	dump FILE...
 * For each a line "<bytes> <file>", then as many bytes: the attributes
 * RFC822.SIZE, ENVELOPE, BODY and BODYSTRUCTURE; then a line end.
 */
#include <stdio.h>
#include <stdlib.h>

#include "message/bodystructure.h"
#include "message/envelope.h"

static int parse(struct msv_env *env, FILE *file, struct msv_mime **out)
{
	struct msv_mime_parser *parser;
	char piece[1024];
	size_t n;
	int rc = msv_mime_parser_new(env, NULL, &parser);

	if (rc < 0)
		return rc;
	while (rc == 0 && (n = fread(piece, 1, sizeof piece, file)) > 0)
		rc = msv_mime_parser_push(parser, piece, n);
	if (rc == 0)
		rc = msv_mime_parser_finish(parser, out);
	msv_mime_parser_free(parser);
	return rc;
}

static int print(struct msv_env *env, const struct msv_mime *mime, const char *name)
{
	struct msv_buf out;

	msv_buf_init(&out, env);
	msv_buf_printf(&out, "RFC822.SIZE %llu ENVELOPE ", (unsigned long long)mime->wire_size);
	msv_envelope_write(mime->root->envelope, &out);
	msv_buf_puts(&out, " BODY ");
	msv_bodystructure_write(mime, false, &out);
	msv_buf_puts(&out, " BODYSTRUCTURE ");
	msv_bodystructure_write(mime, true, &out);
	if (!msv_buf_failed(&out)) {
		printf("%zu %s\n", msv_buf_len(&out), name);
		fwrite(msv_buf_data(&out), 1, msv_buf_len(&out), stdout);
		putchar('\n');
	}
	msv_buf_fini(&out);
	return msv_buf_failed(&out) ? MSV_ERR_NOMEM : 0;
}

static int dump(struct msv_env *env, const char *name)
{
	FILE *file = fopen(name, "rb");
	struct msv_mime *mime;
	int rc;

	if (!file)
		return MSV_ERR_IO;
	rc = parse(env, file, &mime);
	fclose(file);
	if (rc < 0)
		return rc;
	rc = print(env, mime, name);
	msv_mime_free(mime);
	return rc;
}

int main(int argc, char **argv)
{
	struct msv_env *env;
	int rc = msv_env_new(NULL, &env);

	for (int i = 1; i < argc && rc == 0; i++) {
		rc = dump(env, argv[i]);
		if (rc < 0)
			fprintf(stderr, "dump: %s: %s\n", argv[i], msv_strerror(rc));
	}
	if (rc == 0)
		msv_env_free(env);
	return rc < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
